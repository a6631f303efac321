"""Recorded evidence and lineage as values, read once a process: their rows never change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from audits.domain.measurements import counts_from_json
from audits.models import Evidence
from lineage.models import LineageRecord
from registry.domain.evidence import EvidenceItem, LegFact, LineageFacts
from registry.domain.words import EvidenceKind, Grade, Leg

BIAS = EvidenceKind.BIAS.value
_KEPT = 2_000
Value = TypeVar("Value")


class _Remembered(Generic[Value]):
    """Values by the ids of their rows; beyond `_KEPT` the one read first goes."""

    def __init__(self, load: Callable[[set[UUID]], dict[UUID, Value]]) -> None:
        self._load = load
        self._values: OrderedDict[UUID, Value] = OrderedDict()

    def read(self, ids: Sequence[UUID]) -> list[Value]:
        """Return the values of these rows, in this order; one question for all that are new."""
        found = {one: self._values[one] for one in ids if one in self._values}
        if missing := set(ids) - found.keys():
            loaded = self._load(missing)
            found |= loaded
            self._values |= loaded
            while len(self._values) > _KEPT:
                self._values.popitem(last=False)
        return [found[one] for one in ids]


def read_evidence(ids: Sequence[UUID]) -> list[EvidenceItem]:
    """Return recorded evidence as the values that gates read."""
    return _evidence.read(ids)


def read_lineage(record: UUID) -> LineageFacts:
    """Return a lineage record as the value that gates read."""
    return _lineage.read([record])[0]


def evidence_item(row: Evidence) -> EvidenceItem:
    """Return recorded evidence as the value that gates read."""
    return EvidenceItem(
        kind=row.kind,
        origin=row.origin,
        conclusion=row.conclusion,
        subject_digest=row.subject_digest,
        measurements=row.measurements,
        produced_at=row.produced_at,
        digest=row.entry.sha256,
        reasons=tuple(row.reasons),
        counts=counts_from_json(row.measurements) if row.kind == BIAS else None,
    )


def _load_evidence(ids: set[UUID]) -> dict[UUID, EvidenceItem]:
    rows = Evidence.objects.filter(pk__in=ids).select_related("entry").defer("entry__envelope")
    return {row.pk: evidence_item(row) for row in rows}


def _load_lineage(ids: set[UUID]) -> dict[UUID, LineageFacts]:
    rows = LineageRecord.objects.filter(pk__in=ids).select_related("entry")
    return {row.pk: _lineage_facts(row) for row in rows.defer("entry__envelope", "artifacts")}


def _lineage_facts(record: LineageRecord) -> LineageFacts:
    return LineageFacts(
        digest=record.entry.sha256,
        subject_digest=record.subject_digest,
        legs=tuple(_legs(record)),
        repeats=record.facts.get("repeated", {}).get("record", ""),
    )


def _legs(record: LineageRecord) -> Iterable[LegFact]:
    for name, leg in record.legs.items():
        yield LegFact(leg=Leg(name), grade=Grade(leg["grade"]), reason=leg["reason"])


_evidence = _Remembered(_load_evidence)
_lineage = _Remembered(_load_lineage)
