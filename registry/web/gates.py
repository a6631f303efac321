"""A decision's gates as rows, what blocks first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from audits.models import Evidence
from audits.selectors import origin_of

# What stands in the way is read first; a waiver never hides among the satisfied.
_ORDER = ("unsatisfied", "insufficient", "pending", "waived", "satisfied", "not_applicable")
_BLOCKING = ("unsatisfied", "insufficient")


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate of a decision, ready for a template."""

    id: str
    title: str
    outcome: str
    reason: str
    expected: Any
    actual: Any
    blocks: bool
    origin: str
    evidence_url: str


def gate_rows(
    gates: Sequence[Mapping[str, Any]], evidence: Sequence[Evidence], lineage_url: str = ""
) -> list[GateRow]:
    """Lay out the gates of a decision's JSON, with links to the evidence that they read."""
    known = {item.entry.sha256: item for item in evidence}
    rows = [_row(gate, known, lineage_url) for gate in gates]
    return sorted(rows, key=lambda row: _rank(row.outcome))


def _row(gate: Mapping[str, Any], known: Mapping[str, Evidence], lineage_url: str) -> GateRow:
    digest = str(gate.get("evidence_digest") or "").removeprefix("sha256:")
    item = known.get(digest)
    url = reverse("audits:evidence", args=[item.pk]) if item else ""
    if not url and gate.get("kind") == "lineage_complete":
        url = lineage_url
    outcome = str(gate.get("outcome", "insufficient"))
    return GateRow(
        id=str(gate.get("id", "")),
        title=str(gate.get("title", "")),
        outcome=outcome,
        reason=str(gate.get("reason", "")),
        expected=gate.get("expected"),
        actual=gate.get("actual"),
        blocks=outcome in _BLOCKING,
        origin=origin_of(item) if item else "",
        evidence_url=url,
    )


def _rank(outcome: str) -> int:
    return _ORDER.index(outcome) if outcome in _ORDER else 0
