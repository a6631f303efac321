"""A policy as frozen values; `policy_parser.parse_policy` makes them from a document's bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from accounts.domain.signature import SignatureMethod
from audits.domain.names import INTERSECTION
from registry.domain.errors import EmptyPolicy, PolicyProblem
from registry.domain.words import EvidenceKind, GateKind, Grade, Leg, Origin

if TYPE_CHECKING:
    from audits.domain.bias import BiasCriteria
    from lineage.domain.comparison import Verdict


@dataclass(frozen=True, slots=True)
class LegalSource:
    """One text that a policy rests on, and the day on which it was read.

    Law moves: `as_of` says which state of it the policy's author saw.
    """

    citation: str
    as_of: date
    note: str = ""


@dataclass(frozen=True, slots=True)
class BoundTo:
    """What a policy may be bound to: risk tiers and (lower-case) aliases; neither is empty."""

    risk_tiers: tuple[str, ...]
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """How many approvals, signed in which roles, by people distinct from whom.

    `count` people must approve; they are always distinct from each other. `distinct_from` holds
    `requester` and `trainer` as the policy says. `signature` is the weakest that counts.
    """

    count: int
    roles: tuple[str, ...]
    distinct_from: tuple[str, ...]
    signature: SignatureMethod = SignatureMethod.PASSWORD


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
    """The bias rule on one attribute, judged again from the counts by `criteria`.

    `also_reported` names attributes (`race × sex`) whose table must stand in the same evidence
    although nothing judges it: what was to be shown and is not there is insufficient.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    attribute: str
    criteria: BiasCriteria
    also_reported: tuple[str, ...] = ()
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.BIAS

    @property
    def reported_pairs(self) -> tuple[tuple[str, str], ...]:
        """Give `also_reported` as pairs of attributes."""
        return tuple(
            (first, second)
            for first, _, second in (name.partition(INTERSECTION) for name in self.also_reported)
        )


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
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    at_least: Verdict
    max_age_days: int
    tolerance: tuple[MetricTolerance, ...] = ()
    negative_control: bool = True
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.RECOMPUTATION


Gate = LineageGate | BiasGate | MetricFloorGate | NotWorseThanChampionGate | RecomputationGate


# The offline verifier has the same table, for the gates of a signed decision.
_READS: Final = {
    GateKind.BIAS: EvidenceKind.BIAS.value,
    GateKind.METRIC_FLOOR: EvidenceKind.PERFORMANCE.value,
    GateKind.NOT_WORSE_THAN_CHAMPION: EvidenceKind.PERFORMANCE.value,
    GateKind.RECOMPUTATION: EvidenceKind.RECOMPUTATION.value,
}


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """Which policy: the name and version that people say, the digest that decides."""

    name: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One published (or draft) policy document.

    `digest` is `sha256:<hex>` over the exact bytes of the document. `gates` is never empty, gate
    ids are unique in it, and no two bias gates read the same attribute. `in_force_from` is a day
    in UTC and included.

    Raises:
        EmptyPolicy: there are no gates.

    """

    name: str
    version: int
    title: str
    jurisdiction: str
    legal_sources: tuple[LegalSource, ...]
    in_force_from: date
    bound_to: BoundTo
    evidence_max_age_days: int
    gates: tuple[Gate, ...]
    approvals: ApprovalRule
    digest: str

    def __post_init__(self) -> None:
        if not self.gates:
            problem = PolicyProblem("empty_policy", "gates", "there are none", "at least one gate")
            raise EmptyPolicy((problem,))

    @property
    def ref(self) -> PolicyRef:
        """Give name, version and digest alone."""
        return PolicyRef(name=self.name, version=self.version, digest=self.digest)

    def allows_binding(self, *, risk_tier: str, alias: str) -> bool:
        """Tell whether an admin may bind this policy to that risk tier and alias.

        Letter case of the alias is ignored, as MLflow's callers do not agree on it.
        """
        return risk_tier in self.bound_to.risk_tiers and alias.lower() in self.bound_to.aliases

    @property
    def recomputation_gates(self) -> tuple[RecomputationGate, ...]:
        """Give the gates that ask for a recomputation."""
        return tuple(gate for gate in self.gates if isinstance(gate, RecomputationGate))

    @property
    def evidence_kinds(self) -> frozenset[str]:
        """Give the kinds of evidence that a gate reads: what else is found dismisses nothing."""
        return frozenset(_READS[gate.kind] for gate in self.gates if gate.kind in _READS)

    @property
    def audit_criteria(self) -> BiasCriteria | None:
        """Give the criteria of the one bias audit that serves every bias gate; None without any.

        All judged attributes and all intersections to report, with the thresholds of the first
        bias gate and the references of all. The audit's own conclusion is for people to read:
        each gate judges the counts again by its own criteria.
        """
        gates = [gate for gate in self.gates if isinstance(gate, BiasGate)]
        if not gates:
            return None
        pairs = dict.fromkeys(pair for gate in gates for pair in gate.reported_pairs)
        return replace(
            gates[0].criteria,
            attributes=tuple(gate.attribute for gate in gates),
            intersections=tuple(pairs),
            references=tuple(sorted(pair for gate in gates for pair in gate.criteria.references)),
        )
