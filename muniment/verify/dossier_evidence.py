"""The findings that the pages show, and the comparison with the champion, against the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from muniment.attest.predicates import EVIDENCE
from muniment.verify.dossier_entry import find_entry
from muniment.verify.evidence_view import comparison_holder, counting_evidence
from muniment.verify.record import Record
from muniment.verify.shown import (
    differs,
    object_in,
    read_object,
    read_objects,
    require_each,
    require_same,
)

COMPARED_METRICS: Final = ("accuracy", "balanced_accuracy")


def require_evidence(shown: Sequence[Mapping[str, Any]], record: Record) -> int:
    """Accept exactly the findings about the version, each as it was signed; return how many.

    Raises:
        ReportError: one left out, added or changed.
    """
    stated = record.evidence_of(record.version_uri)
    for place, item in enumerate(shown):
        path = f"dossier.evidence[{place}]"
        entry = find_entry(path, item, record, EVIDENCE)
        if entry not in stated:
            raise differs(path, f"leaf {entry.leaf_index} is about another version")
        predicate = entry.statement.predicate
        for name in ("kind", "origin", "conclusion", "reasons", "measurements"):
            require_same(f"{path}.{name}", item.get(name), predicate.get(name))
        criteria = predicate.get("criteria") or None
        require_same(f"{path}.criteria", item.get("criteria") or None, criteria)
        require_same(f"{path}.produced_at", item.get("produced_at"), predicate["at"])
        require_same(f"{path}.producer", item.get("producer"), predicate["actor"]["id"])
    require_each(
        "dossier.evidence",
        [item.get("leaf_index") for item in shown],
        [entry.leaf_index for entry in stated],
        "the finding about this version",
    )
    return len(stated)


def require_champion(shown: object, record: Record, alias: str | None) -> None:
    """Accept only the comparison that the findings of the two versions give.

    Args:
        alias: the decision's; None where none is shown, and then any alias of the model's may
            be meant.

    Raises:
        ReportError: another version or another number.
    """
    if shown is None:
        return
    comparison = read_object(shown, "champion")
    aliases = {move.alias for move in record.alias_moves} if alias is None else {alias}
    champions = {comparison_holder(record, name)[0] for name in aliases} or {None}
    if alias is None:
        champions |= {None}
    named = comparison.get("champion_version")
    champion = None if named is None else record.uri_of(str(named))
    if champion not in champions:
        raise differs("champion", f"version {str(named)[:40]} is not the one to compare with")
    metrics = read_objects(comparison, "metrics")
    if champion is None:
        require_same("dossier.champion.metrics", metrics, [])
        require_same("dossier.champion.same_rows", comparison.get("same_rows"), None)
        return
    ours, theirs = _measured(record, record.version_uri), _measured(record, champion)
    expected = [
        {
            "name": name,
            "this_version": _number(ours.get(name)),
            "champion": _number(theirs.get(name)),
        }
        for name in COMPARED_METRICS
    ]
    require_same("dossier.champion.metrics", metrics, expected)
    same_rows = ours.get("rows_digest") == theirs.get("rows_digest") if ours and theirs else None
    require_same("dossier.champion.same_rows", comparison.get("same_rows"), same_rows)


def _measured(record: Record, version_uri: str) -> Mapping[str, Any]:
    entry = counting_evidence(record, version_uri).get("performance")
    return {} if entry is None else object_in(entry.statement.predicate, "measurements")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
