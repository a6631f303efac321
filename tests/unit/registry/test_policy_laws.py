"""The laws of `evaluate` for any policy: every kind of gate, alone or inside others."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.attest.digest import canonical_json
from muniment.verify.evidence_view import kinds_read
from registry.domain.approvals import ApprovalFacts
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import EvidenceItem, EvidenceView, evidence_digest
from registry.domain.gate_result import flattened_results
from registry.domain.policy import Policy
from registry.domain.policy_gates import AllOfGate, AnyOfGate, CompositeGate, Gate, LineageGate
from registry.domain.replay import replay_decision
from registry.domain.waivers import Waiver, shown_waivers
from registry.domain.words import Verdict
from tests.unit.registry.every_kind import MEASURED, every_item, every_kind, finding, full_view
from tests.unit.registry.samples import NOW, OTHER_SUBJECT, VERSION, approved
from tests.unit.registry.test_evaluation_laws import json_values

LEAVES = tuple(gate for gate in every_kind().every_gate if not isinstance(gate, CompositeGate))
KINDS = tuple(item.kind for item in every_item())
WORDS = sorted({word for measured in MEASURED.values() for word in measured} | {"length", "value"})

trees: st.SearchStrategy[Gate] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.builds(
        lambda made, gates: made("", "Several", tuple(gates), waivable_by=("admin",)),
        st.sampled_from([AllOfGate, AnyOfGate]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


def numbered(gates: tuple[Gate, ...], numbers: Iterator[int]) -> tuple[Gate, ...]:
    """Give each gate an id of its own, and everybody the right to waive the even ones."""
    named: list[Gate] = []
    for gate in gates:
        number = next(numbers)
        gate = replace(gate, id=f"gate-{number}", waivable_by=("admin",) if number % 2 == 0 else ())
        if isinstance(gate, CompositeGate):
            gate = replace(gate, gates=numbered(gate.gates, numbers))
        named.append(gate)
    return tuple(named)


policies = st.builds(
    lambda gates, count: replace(
        every_kind(),
        gates=numbered(tuple(gates), itertools.count()),
        approvals=replace(every_kind().approvals, count=count),
    ),
    st.lists(trees, min_size=1, max_size=3),
    st.sampled_from([0, 0, 2]),
)

garbage = st.dictionaries(
    st.sampled_from(WORDS),
    json_values | st.dictionaries(st.sampled_from(WORDS), json_values, max_size=3),
    max_size=6,
)


def spoiled(item: EvidenceItem) -> st.SearchStrategy[EvidenceItem]:
    """Give the item in a state in which it shows nothing."""
    states = [
        replace(item, subject_digest=OTHER_SUBJECT),
        replace(item, produced_at=NOW - timedelta(days=91)),
        replace(item, produced_at=NOW + timedelta(hours=1)),
        replace(item, produced_at=item.produced_at.replace(tzinfo=None)),
        replace(item, superseded_by="a later one"),
        replace(item, origin="rumoured"),
        replace(item, conclusion="error"),
        replace(item, measurements={}),
        *(
            replace(item, measurements=with_number(item.measurements, number))
            for number in (math.nan, math.inf, "1")
        ),
    ]
    # An attestation holds no number.
    return st.sampled_from([state for state in states if state != item])


def with_number(measured: Any, number: object) -> Any:
    """Put something else where any number stands."""
    if isinstance(measured, dict):
        return {name: with_number(value, number) for name, value in measured.items()}
    if isinstance(measured, list):
        return [with_number(value, number) for value in measured]
    is_number = isinstance(measured, int | float) and not isinstance(measured, bool)
    return number if is_number else measured


@dataclass(frozen=True)
class Case:
    policy: Policy
    view: EvidenceView
    waivers: tuple[Waiver, ...]

    def decide(self) -> Decision:
        """Decide with two good approvals of exactly this, so that only evidence matters."""
        digest = evidence_digest(
            self.policy.digest,
            self.view.alias,
            self.view,
            self.policy.evidence_kinds,
            waivers=shown_waivers(
                self.waivers, version_uri=VERSION, policy_digest=self.policy.digest
            ),
        )
        facts = approved(self.view, policy=self.policy)
        signed = tuple(replace(one, evidence_digest=digest) for one in facts.signed)
        # Those who approved have waived nothing.
        return evaluate(self.policy, self.view, replace(facts, signed=signed), self.waivers, NOW)


def state_of(item: EvidenceItem) -> st.SearchStrategy[EvidenceItem | None]:
    made_up = st.builds(lambda measured: replace(item, measurements=measured), garbage)
    return st.one_of(st.just(item), st.just(item), st.none(), spoiled(item), made_up)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    policy = draw(policies)
    items = {item.kind: draw(state_of(item)) for item in every_item()}
    view = full_view(**items)
    if draw(st.booleans()) and draw(st.booleans()):
        view = replace(view, lineage=None)
    view = replace(view, under_way=draw(st.frozensets(st.sampled_from(KINDS), max_size=3)))
    waived = draw(
        st.lists(st.sampled_from([gate.id for gate in policy.every_gate]), unique=True, max_size=3)
    )
    return Case(policy, view, tuple(waiver(policy, gate_id) for gate_id in waived))


def waiver(policy: Policy, gate_id: str) -> Waiver:
    return Waiver(
        name=gate_id,
        digest=f"waiver of {gate_id}",
        version_uri=VERSION,
        policy_digest=policy.digest,
        gate_id=gate_id,
        person="lin",
        role="admin",
        granted_at=NOW - timedelta(days=1),
        until=NOW + timedelta(days=1),
    )


def weaker_than(case: Case) -> Iterator[Case]:
    """Take one thing away, in every way there is."""
    view = case.view
    for taken in view.items:
        yield replace(
            case,
            view=replace(view, items=tuple(kept for kept in view.items if kept is not taken)),
        )
    for kind in view.under_way:
        yield replace(case, view=replace(view, under_way=view.under_way - {kind}))
    for waived in case.waivers:
        yield replace(case, waivers=tuple(kept for kept in case.waivers if kept is not waived))
    if view.lineage is not None:
        yield replace(case, view=replace(view, lineage=None))


@settings(max_examples=150)
@given(cases())
def test_taking_anything_away_never_gets_a_version_through(case: Case) -> None:
    before = case.decide()
    for weaker in weaker_than(case):
        assert not weaker.decide().allowed or before.allowed


@settings(max_examples=100)
@given(cases())
def test_any_policy_decides_on_anything_and_comes_to_the_same_again(case: Case) -> None:
    decision = case.decide()
    recorded: Any = decision.to_mapping()
    assert json.loads(canonical_json(recorded)) == recorded
    assert decision.allowed or decision.reasons
    # Monotone in the small, too: nothing is allowed that nothing shows.
    results = list(flattened_results(decision.gates))
    assert not decision.allowed or any(result.satisfied for result in results)
    assert kinds_read(recorded["gates"]) == case.policy.evidence_kinds
    again = replay_decision(
        recorded, policy=case.policy, evidence={item.digest: item for item in case.view.items}
    )
    assert again.to_mapping() == recorded


@settings(max_examples=100)
@given(st.sampled_from([gate for gate in LEAVES if not isinstance(gate, LineageGate)]), st.data())
def test_spoiled_evidence_and_garbage_never_satisfy_any_kind_of_gate(
    gate: Gate, data: st.DataObject
) -> None:
    policy = replace(every_kind(), gates=(gate,))
    (kind,) = policy.evidence_kinds
    (item,) = (item for item in every_item() if item.kind == kind)
    made_up = st.builds(lambda measured: replace(item, measurements=measured), garbage)
    bad = data.draw(spoiled(item) | made_up)
    (result,) = evaluate(policy, full_view(**{kind: bad}), ApprovalFacts(), (), NOW).gates
    assert not result.satisfied


@given(st.sampled_from([gate for gate in LEAVES if not isinstance(gate, LineageGate)]))
def test_the_other_origin_never_satisfies(gate: Any) -> None:
    for origin in {"computed", "reported"} - {origin.value for origin in gate.accepts}:
        policy = replace(every_kind(), gates=(gate,))
        (kind,) = policy.evidence_kinds
        (item,) = (item for item in every_item() if item.kind == kind)
        view = full_view(**{kind: replace(item, origin=origin)})
        (result,) = evaluate(policy, view, ApprovalFacts(), (), NOW).gates
        assert not result.satisfied


def test_the_laws_are_not_idle() -> None:
    """What the strategies start from is allowed, and a composite of it is."""
    policy = replace(every_kind(), approvals=replace(every_kind().approvals, count=0))
    assert Case(policy, full_view(), ()).decide().verdict is Verdict.ALLOW
    robust = "reported:robustness"
    broken = {"drop": {"value": 0.9, "unit": "fraction"}}
    bad = full_view(**{robust: finding(robust, broken)})
    assert Case(policy, bad, ()).decide().verdict is Verdict.DENY
