"""A version's lineage record with its history, for the page of its graph and of comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audits.domain.dossier import Dependency, Leg
from audits.models import Evidence
from lineage.domain.changes import LegChanges, compare_facts
from lineage.models import LineageRecord
from registry.models import ModelVersion
from registry.selectors.versions import lineage_of

MOST_RECORDS = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions leg by leg; None for a record that is not there."""

    before: LineageRecord | None
    after: LineageRecord | None
    legs: tuple[LegChanges, ...]


def records_of(version: ModelVersion) -> Sequence[LineageRecord]:
    """Return a version's lineage records, the current one first; each supersedes the next."""
    return list(
        LineageRecord.objects.filter(version_uri=version.uri)
        .select_related("entry__leaf")
        .defer("facts", "artifacts", "entry__envelope")
        .order_by("-entry_id")[:MOST_RECORDS]
    )


def failed_legs(version: ModelVersion) -> Mapping[str, str]:
    """Return leg → why it failed in the newest recomputation that came to a verdict."""
    evidence = (
        Evidence.objects.filter(version_uri=version.uri, kind="recomputation")
        .order_by("-entry_id")
        .first()
    )
    legs = evidence.measurements.get("legs") if evidence is not None else None
    if not isinstance(legs, Mapping):
        return {}
    return {
        str(name): str(leg.get("reason") or "It failed.")
        for name, leg in legs.items()
        if isinstance(leg, Mapping) and leg.get("outcome") == "failed"
    }


def compare_versions(before: ModelVersion, after: ModelVersion) -> Comparison:
    """Compare what two versions were made of, by their current records."""
    first, second = lineage_of(before.uri), lineage_of(after.uri)
    legs = compare_facts(first.facts, second.facts) if first and second else ()
    return Comparison(first, second, legs)


def drawn_legs(record: LineageRecord) -> tuple[Leg, ...]:
    """Return a record's legs as the picture takes them."""
    return tuple(
        Leg(name=name, grade=leg["grade"], reason=leg["reason"])
        for name, leg in record.legs.items()
    )


def drawn_dependencies(record: LineageRecord) -> tuple[Dependency, ...]:
    """Return what a record names by digest as the picture takes it."""
    return tuple(
        Dependency(name=item["name"], digest=item.get("digest"), uri=item.get("uri") or None)
        for item in record.facts.get("dependencies", ())
    )
