"""A policy as frozen values; `policy_parser.parse_policy` makes them from a document's bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from accounts.domain.signature import SignatureMethod
from registry.domain.errors import EmptyPolicy, PolicyProblem
from registry.domain.policy_audit import audit_criteria
from registry.domain.policy_gates import (
    CompositeGate,
    Gate,
    RecomputationGate,
    evidence_kinds_of,
    flattened,
)
from registry.domain.words import EvidenceKind, Origin

if TYPE_CHECKING:
    from audits.domain.bias import BiasCriteria

_OF_PREDICTIONS = frozenset({EvidenceKind.BIAS.value, EvidenceKind.PERFORMANCE.value})


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
class ApprovalStep:
    """One step of several, in order: so many people approve in one of these roles or groups."""

    count: int
    roles: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """How many approvals, signed in which roles, by people distinct from whom.

    `count` people must approve; they are always distinct from each other. `roles` holds groups of
    reviewers too, as `group:name`. `distinct_from` holds `requester` and `trainer` as the policy
    says. `signature` is the weakest that counts.
    An approval that is `review_every_days` old counts no more, also of a champion; None: never.
    `review_by_tier` says so of each risk tier instead.
    `unknown_trainer_adds` more people must approve where nobody knows who trained the version: it
    may be one of them. Where there are `steps`, `count` is their sum and `roles` are all of theirs;
    the last step waits for those whom an unknown trainer adds. `in_order`: one step after another.
    """

    count: int
    roles: tuple[str, ...]
    distinct_from: tuple[str, ...]
    signature: SignatureMethod = SignatureMethod.PASSWORD
    review_every_days: int | None = None
    review_by_tier: tuple[tuple[str, int], ...] = ()
    unknown_trainer_adds: int = 0
    steps: tuple[ApprovalStep, ...] = ()
    in_order: bool = True

    def required(self, *, trainer: str | None) -> int:
        """Count the people who must approve a version of that trainer, None for nobody known."""
        return self.count + (self.unknown_trainer_adds if trainer is None else 0)

    @property
    def expires(self) -> bool:
        """Say whether approvals are signed again from time to time."""
        return self.review_every_days is not None or bool(self.review_by_tier)

    def review_days(self, *, risk_tier: str | None) -> int | None:
        """Return for how many days approvals count in a tier; None: for ever.

        Of a tier that is not known it is the fewest of all.
        """
        days = dict(self.review_by_tier)
        if not days:
            return self.review_every_days
        return days.get(risk_tier or "", min(days.values()))

    def steps_for(self, *, trainer: str | None) -> tuple[ApprovalStep, ...]:
        """Give the steps of a version of that trainer; a rule without steps is one step."""
        *earlier, last = self.steps or (ApprovalStep(self.count, self.roles),)
        added = self.required(trainer=trainer) - self.count
        return (*earlier, replace(last, count=last.count + added))


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
    ids are unique in it, and no two bias gates read the same attribute. `in_force_from` and
    `in_force_until` are days in UTC and included. `max_audits_per_set`: how often a model may be
    audited with the same evaluation set; None is as often as one likes.

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
    in_force_until: date | None = None
    max_audits_per_set: int | None = None

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
    def every_gate(self) -> tuple[Gate, ...]:
        """Give the gates and those inside them, in the order of the document."""
        return tuple(flattened(self.gates))

    @property
    def recomputation_gates(self) -> tuple[RecomputationGate, ...]:
        """Give the gates that ask for a recomputation."""
        return tuple(gate for gate in self.every_gate if isinstance(gate, RecomputationGate))

    @property
    def evidence_kinds(self) -> frozenset[str]:
        """Give the kinds of evidence that a gate reads: what else is found dismisses nothing."""
        return frozenset[str]().union(*(evidence_kinds_of(gate) for gate in self.gates))

    @property
    def computed_only(self) -> frozenset[str]:
        """Give the kinds of evidence that a gate accepts only as computed by Muniment."""
        asking = (
            gate
            for gate in self.every_gate
            if not isinstance(gate, CompositeGate) and gate.accepts == {Origin.COMPUTED}
        )
        return frozenset[str]().union(*(evidence_kinds_of(gate) for gate in asking))

    @property
    def reads_predictions(self) -> bool:
        """Tell whether what a team says that its model predicts can count for anything.

        Not where every gate on it asks for what Muniment computed.
        """
        asked = _OF_PREDICTIONS & self.evidence_kinds
        reported = (
            evidence_kinds_of(gate)
            for gate in self.every_gate
            if not isinstance(gate, CompositeGate) and Origin.REPORTED in gate.accepts
        )
        return not asked or bool(asked & frozenset[str]().union(*reported))

    @property
    def computed_gates(self) -> frozenset[str]:
        """Give the ids of the gates that accept only what Muniment computed."""
        return frozenset(
            gate.id
            for gate in self.every_gate
            if not isinstance(gate, CompositeGate) and gate.accepts == {Origin.COMPUTED}
        )

    @property
    def audit_criteria(self) -> BiasCriteria | None:
        """Give the criteria of the one bias audit that serves every gate on groups, None if none.

        All judged attributes and all intersections, with the thresholds of the first bias gate
        (the shipped ones where a policy has group metrics alone) and the references of all. The
        audit's own conclusion is for people to read: each gate judges the counts again by its
        own criteria.
        """
        return audit_criteria(self.every_gate)
