"""Parse the gates of a policy document, those inside others too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from registry.domain.errors import PolicyProblem
from registry.domain.policy_audit import (
    CountsGate,
    favourable_of,
    is_intersection,
    judged_names,
    parts_of,
)
from registry.domain.policy_bias import (
    read_bias_gate,
    read_group_metric_gate,
    read_published_audit_gate,
)
from registry.domain.policy_bias_scope import COUNTED_ONCE
from registry.domain.policy_finding_readers import (
    read_artifact_safety_gate,
    read_attestation_gate,
    read_documentation_gate,
    read_vulnerabilities_gate,
)
from registry.domain.policy_gates import (
    AllOfGate,
    AnyOfGate,
    BiasGate,
    CompositeGate,
    Gate,
    LineageGate,
    PublishedAuditGate,
    RecomputationGate,
    flattened,
)
from registry.domain.policy_measures import (
    read_lineage_gate,
    read_metric_floor_gate,
    read_not_worse_gate,
)
from registry.domain.policy_recomputation import read_recomputation_gate
from registry.domain.policy_reported import read_reported_gate
from registry.domain.policy_section import Section
from registry.domain.words import GateKind, Origin

REVIEW_ROLES = ("reviewer", "admin")
MAX_DEPTH = 4
MAX_GATES = 50


def parse_gates(document: Section, *, oldest_days: int) -> tuple[Gate, ...]:
    """Read the gates of a document; every fault is noted in it.

    Args:
        oldest_days: the policy's own age, which no gate's is longer than.
    """
    reader = _GateReader(document, oldest_days)
    gates = reader.read(document, depth=1)
    reader.refuse_conflicts(gates)
    return gates


@dataclass(slots=True)
class _GateReader:
    """Reads gates, and remembers what must not stand twice in the whole document."""

    document: Section
    oldest_days: int
    ids: set[str] = field(default_factory=set)
    judged: set[str] = field(default_factory=set)
    read_so_far: int = 0

    def read(self, section: Section, *, depth: int) -> tuple[Gate, ...]:
        found = [self._gate(one, depth) for one in section.sections("gates")]
        return tuple(gate for gate in found if gate is not None)

    def _gate(self, section: Section, depth: int) -> Gate | None:
        kind = section.choice("kind", [kind.value for kind in GateKind])
        self.read_so_far += 1
        if not kind or self.read_so_far > MAX_GATES:
            # Without its kind nothing else of a gate can be read, so its other keys are left alone.
            if self.read_so_far == MAX_GATES + 1:
                section.note("kind", "too_long", f"gate {MAX_GATES + 1}", f"at most {MAX_GATES}")
            return None
        composite = _COMPOSITES.get(GateKind(kind))
        gate: Gate
        if composite is None:
            gate = _READERS[GateKind(kind)](section, _shared(section, GateKind(kind)))
        else:
            gate = composite(**_named(section), gates=self._members(section, depth))
        section.close()
        self._refuse_again(section, gate)
        self._refuse_older(section, gate)
        return gate

    def _members(self, section: Section, depth: int) -> tuple[Gate, ...]:
        if depth >= MAX_DEPTH:
            section.note(
                "gates", "too_deep", "gates inside gates", f"at most {MAX_DEPTH} levels of gates"
            )
            section.plain("gates")
            return ()
        members = self.read(section, depth=depth + 1)
        if section.plain("gates") == []:
            section.note("gates", "empty", "there are no gates", "at least one gate")
        return members

    def _refuse_again(self, section: Section, gate: Gate) -> None:
        if gate.id and gate.id in self.ids:
            section.note(
                "id", "duplicate", f"{gate.id!r} a second time", "another id for each gate"
            )
        self.ids.add(gate.id)
        if isinstance(gate, BiasGate) and gate.attribute:
            if gate.attribute in self.judged:
                section.note(
                    "attribute",
                    "duplicate",
                    f"{gate.attribute!r} has a bias gate already",
                    "one bias gate for each attribute",
                )
            self.judged.add(gate.attribute)

    def _refuse_older(self, section: Section, gate: Gate) -> None:
        # A recomputation's age was always read with the policy's beside it: the shorter one holds.
        if isinstance(gate, LineageGate | RecomputationGate | CompositeGate):
            return
        if gate.max_age_days is not None and gate.max_age_days > self.oldest_days:
            section.note(
                "max_age_days",
                "out_of_range",
                str(gate.max_age_days),
                f"at most evidence_max_age_days, which is {self.oldest_days}",
            )

    def refuse_conflicts(self, gates: tuple[Gate, ...]) -> None:
        """Note what the one audit that serves all gates on groups could not do for each of them."""
        reading = [gate for gate in flattened(gates) if isinstance(gate, CountsGate)]
        favourable = {favourable_of(gate) for gate in reading}
        are_read = all(not one.path.endswith("favourable") for one in self.document.problems)
        if len(favourable) > 1 and are_read:
            self._note("conflict", "bias gates disagree on favourable", "the same one in all")
        criteria = [gate.criteria for gate in reading if isinstance(gate, BiasGate)]
        published = [gate.criteria for gate in reading if isinstance(gate, PublishedAuditGate)]
        if len(published) > 1:
            self._note("conflict", "two gates ask for published tables", "one, with all tables")
        for key in COUNTED_ONCE:
            # What only the tables are made by is theirs alone.
            agreeing = [*criteria, *(published if key in ("cutoff", "weight", "person") else ())]
            if len({getattr(one, key) for one in agreeing}) > 1:
                self._note("conflict", f"bias gates disagree on {key}", "the same one in all")
        names = {name for gate in reading for name in judged_names(gate)}
        names |= {
            name for gate in reading if isinstance(gate, BiasGate) for name in gate.also_reported
        }
        pairs = [parts_of(name) for name in sorted(names) if is_intersection(name)]
        turned = [pair for pair in pairs if pair[::-1] in pairs and pair[0] != pair[1]]
        if turned:
            self._note(
                "conflict",
                f"{' and '.join(turned[0])} stand in both orders",
                "the same order in every intersection",
            )

    def _note(self, code: str, message: str, expected: str) -> None:
        self.document.problems.append(PolicyProblem(code, "gates", message, expected))


def _named(section: Section) -> dict[str, Any]:
    return {
        "id": section.name("id"),
        "title": section.text("title"),
        # Left out means that nobody may waive this gate.
        "waivable_by": section.names("waivable_by", among=REVIEW_ROLES)
        if section.has("waivable_by")
        else (),
    }


def _shared(section: Section, kind: GateKind) -> dict[str, Any]:
    names = section.names("accepts", among=[origin.value for origin in Origin])
    accepts = frozenset(origin for origin in Origin if origin.value in names)
    only = _ONLY.get(kind)
    if only is not None and accepts - {only}:
        section.note("accepts", "unknown_value", ", ".join(names), f"{only.value} alone")
    shared = {**_named(section), "accepts": accepts}
    if kind is not GateKind.LINEAGE_COMPLETE and section.has("max_age_days"):
        shared["max_age_days"] = section.whole("max_age_days", least=1, most=3650)
    return shared


# Nobody reports a retraining, or that somebody else attested something.
_ONLY: Mapping[GateKind, Origin] = MappingProxyType(
    {
        GateKind.RECOMPUTATION: Origin.COMPUTED,
        GateKind.ATTESTATION: Origin.COMPUTED,
        GateKind.REPORTED_EVIDENCE: Origin.REPORTED,
    }
)
_COMPOSITES: Mapping[GateKind, type[AllOfGate | AnyOfGate]] = MappingProxyType(
    {GateKind.ALL_OF: AllOfGate, GateKind.ANY_OF: AnyOfGate}
)
_READERS: Mapping[GateKind, Callable[[Section, dict[str, Any]], Gate]] = MappingProxyType(
    {
        GateKind.LINEAGE_COMPLETE: read_lineage_gate,
        GateKind.BIAS: read_bias_gate,
        GateKind.METRIC_FLOOR: read_metric_floor_gate,
        GateKind.NOT_WORSE_THAN_CHAMPION: read_not_worse_gate,
        GateKind.RECOMPUTATION: read_recomputation_gate,
        GateKind.GROUP_METRIC: read_group_metric_gate,
        GateKind.PUBLISHED_AUDIT: read_published_audit_gate,
        GateKind.ARTIFACT_SAFETY: read_artifact_safety_gate,
        GateKind.VULNERABILITIES: read_vulnerabilities_gate,
        GateKind.DOCUMENTATION: read_documentation_gate,
        GateKind.ATTESTATION: read_attestation_gate,
        GateKind.REPORTED_EVIDENCE: read_reported_gate,
    }
)
