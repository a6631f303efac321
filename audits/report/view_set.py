"""Which evaluation set a model was asked about, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.report.text import counted, integer, printable


def evaluation_set(measurements: Mapping[str, Any]) -> str:
    """Say what Muniment asked the model about, how often, and whether it had seen those rows.

    Empty where the finding names no set: then nobody but the team chose the rows.
    """
    asked = measurements.get("evaluation_set")
    if not isinstance(asked, Mapping):
        return ""
    said = (
        f"The model was asked about {integer(asked.get('rows')) or 'the'} rows of the evaluation"
        f" set {printable(asked.get('name'), 80)}, version {integer(asked.get('version'))}."
    )
    if audits := integer(asked.get("audits")):
        said += f" Audits of this model with it, this one included: {audits}."
    seen = asked.get("contamination")
    return f"{said} {_seen(seen if isinstance(seen, Mapping) else {})}"


def _seen(found: Mapping[str, Any]) -> str:
    rows, tables = found.get("rows"), found.get("tables")
    if isinstance(rows, int) and rows > 0:
        return f"Rows that also stand in its training data: {integer(rows)}."
    if found.get("checked") is True and isinstance(tables, int):
        return f"None of them stands in its training data ({counted(tables, 'table')} read)."
    return "Whether they stand in its training data was not checked in full."
