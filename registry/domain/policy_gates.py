"""The gates of a policy as frozen values, and what evidence each of them reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from registry.domain.policy_findings import (
    ArtifactSafetyGate,
    AttestationGate,
    DocumentationGate,
    GroupMetricGate,
    ReportedEvidenceGate,
    VulnerabilitiesGate,
)
from registry.domain.words import EvidenceKind, GateKind, Grade, Leg, Origin

if TYPE_CHECKING:
    from audits.domain.bias import BiasCriteria
    from lineage.domain.comparison import Verdict


@dataclass(frozen=True, slots=True)
class LegRequirement:
    """The least grade that one leg of the lineage must have."""

    leg: Leg
    at_least: Grade


@dataclass(frozen=True, slots=True)
class LineageGate:
    """Every named leg is graded at least as the policy says; `missing` never passes."""

    id: str
    title: str
    accepts: frozenset[Origin]
    legs: tuple[LegRequirement, ...]
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.LINEAGE_COMPLETE


@dataclass(frozen=True, slots=True)
class BiasGate:
    """The bias rule on one attribute, or one intersection of two (`race × sex`), by `criteria`.

    The counts are judged again. The criteria of an intersection name its first part as their
    attribute, and the pair among their intersections.

    `also_reported` names attributes (`race × sex`) whose table must stand in the same evidence
    although nothing judges it: what was to be shown and is not there is insufficient.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    attribute: str
    criteria: BiasCriteria
    also_reported: tuple[str, ...] = ()
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.BIAS


@dataclass(frozen=True, slots=True)
class PublishedAuditGate:
    """A bias audit was made, and its tables are those that its counts give. It has no pass mark.

    Attributes:
        tables: attributes and intersections of which there is a table.
        criteria: how the tables are made; no threshold of them decides anything.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    tables: tuple[str, ...]
    criteria: BiasCriteria
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.PUBLISHED_AUDIT


@dataclass(frozen=True, slots=True)
class MetricFloorGate:
    """A metric, computed again from the counts, is at least `at_least` (bound included).

    Measured on fewer than `min_rows` rows it is insufficient, whatever it is.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    metric: str
    at_least: Fraction
    unit: str
    min_rows: int
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.METRIC_FLOOR


@dataclass(frozen=True, slots=True)
class NotWorseThanChampionGate:
    """A metric is not under the champion's by more than `at_most_drop` on the same rows.

    The bound is included. Better than the champion is a negative drop and always satisfies.
    Measured on fewer than `min_rows` rows it is insufficient, whatever it is.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    metric: str
    at_most_drop: Fraction
    unit: str
    min_rows: int
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.NOT_WORSE_THAN_CHAMPION


@dataclass(frozen=True, slots=True)
class MetricTolerance:
    """How far a metric may be from what was recorded (bound included).

    Attributes:
        unit: ``absolute``, the metric's own, or ``relative`` to what was recorded.
    """

    metric: str
    at_most: Fraction
    unit: str


@dataclass(frozen=True, slots=True)
class RecomputationGate:
    """The version came out again when it was trained from its lineage record.

    Attributes:
        at_least: ``identical`` or ``within_tolerance``.
        max_age_days: an older recomputation shows nothing any more.
        tolerance: of single metrics; every other one may differ by no more than rounding.
        negative_control: a training on permuted labels must have given another model.
        near_control: one on the same data in other bytes must have given the same model.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    at_least: Verdict
    max_age_days: int
    tolerance: tuple[MetricTolerance, ...] = ()
    negative_control: bool = True
    near_control: bool = False
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.RECOMPUTATION


@dataclass(frozen=True, slots=True)
class AllOfGate:
    """Every one of its gates holds: as bad as its worst. `gates` is never empty."""

    id: str
    title: str
    gates: tuple[Gate, ...]
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.ALL_OF


@dataclass(frozen=True, slots=True)
class AnyOfGate:
    """One of its gates holds: as good as its best. `gates` is never empty."""

    id: str
    title: str
    gates: tuple[Gate, ...]
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.ANY_OF


EvidenceGate = (
    BiasGate
    | PublishedAuditGate
    | MetricFloorGate
    | NotWorseThanChampionGate
    | RecomputationGate
    | GroupMetricGate
    | ArtifactSafetyGate
    | VulnerabilitiesGate
    | DocumentationGate
    | AttestationGate
    | ReportedEvidenceGate
)
"""A gate that reads items of evidence."""
CompositeGate = AllOfGate | AnyOfGate
Gate = LineageGate | EvidenceGate | CompositeGate


# The offline verifier has the same table, for the gates of a signed decision.
_READS: Final = {
    GateKind.BIAS: EvidenceKind.BIAS.value,
    GateKind.METRIC_FLOOR: EvidenceKind.PERFORMANCE.value,
    GateKind.NOT_WORSE_THAN_CHAMPION: EvidenceKind.PERFORMANCE.value,
    GateKind.RECOMPUTATION: EvidenceKind.RECOMPUTATION.value,
    GateKind.GROUP_METRIC: EvidenceKind.BIAS.value,
    GateKind.PUBLISHED_AUDIT: EvidenceKind.BIAS.value,
    GateKind.ARTIFACT_SAFETY: EvidenceKind.ARTIFACT_SAFETY.value,
    GateKind.VULNERABILITIES: EvidenceKind.VULNERABILITIES.value,
    GateKind.DOCUMENTATION: EvidenceKind.DOCUMENTATION.value,
}


def evidence_kinds_of(gate: Gate) -> frozenset[str]:
    """Give the kinds of evidence that a gate, and every gate inside it, reads."""
    if isinstance(gate, CompositeGate):
        return frozenset[str]().union(*(evidence_kinds_of(member) for member in gate.gates))
    if isinstance(gate, AttestationGate | ReportedEvidenceGate):
        return frozenset({gate.evidence_kind})
    return frozenset({_READS[gate.kind]} if gate.kind in _READS else ())


def reads_beyond_kind(gate: Gate) -> tuple[str, ...]:
    """Give the kinds of evidence that a gate reads where its own kind does not say so; sorted.

    A signed decision names these, so that its evidence digest can be computed again from it.
    """
    return () if gate.kind in _READS else tuple(sorted(evidence_kinds_of(gate)))


def flattened(gates: Iterable[Gate]) -> Iterator[Gate]:
    """Give every gate, and every gate inside one, in the order of the document."""
    for gate in gates:
        yield gate
        if isinstance(gate, CompositeGate):
            yield from flattened(gate.gates)
