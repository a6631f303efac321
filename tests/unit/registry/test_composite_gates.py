"""Gates made of gates: the outcome by its members, waivers inside, and what a decision tells."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from muniment.attest.digest import canonical_json
from registry.domain.approvals import ApprovalFacts
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import EvidenceView
from registry.domain.gate_composite import judge_composite
from registry.domain.gate_result import GateResult
from registry.domain.policy_gates import AllOfGate, AnyOfGate, LineageGate
from registry.domain.policy_parser import parse_policy
from registry.domain.replay import replay_decision
from registry.domain.waivers import Waiver
from registry.domain.words import GateKind, GateOutcome
from tests.unit.registry.every_kind import (
    GATES,
    LINEAGE,
    document_of,
    every_kind,
    finding,
    full_view,
    group,
    group_measurements,
)
from tests.unit.registry.samples import NOW, VERSION, outcomes

INSIDE = (LineageGate("x", "X", frozenset(), ()),)
ALL_OF = AllOfGate("all", "All", INSIDE)
ANY_OF = AnyOfGate("any", "Any", INSIDE)
FROM_WORST = ["unsatisfied", "insufficient", "pending", "waived", "satisfied"]


def result(outcome: GateOutcome | str) -> GateResult:
    return GateResult("x", GateKind.BIAS, "X", GateOutcome(outcome), f"It is {outcome}.")


def test_all_of_is_its_worst_and_any_of_its_best() -> None:
    for found in itertools.product(GateOutcome, repeat=3):
        members = [result(one) for one in found]
        ranks = [FROM_WORST.index(one) for one in found if one != "not_applicable"]
        worst, best = (
            (FROM_WORST[min(ranks)], FROM_WORST[max(ranks)])
            if ranks
            else ("not_applicable", "not_applicable")
        )
        assert judge_composite(ALL_OF, members).outcome.value == worst
        assert judge_composite(ANY_OF, members).outcome.value == best


def waiver(gate_id: str, **changes: Any) -> Waiver:
    granted = Waiver(
        name="w",
        digest="w",
        version_uri=VERSION,
        policy_digest=every_kind().digest,
        person="grace",
        gate_id=gate_id,
        role="admin",
        granted_at=NOW - timedelta(days=1),
        until=NOW + timedelta(days=1),
    )
    return replace(granted, **changes)


def decide(view: EvidenceView, *waivers: Waiver) -> Decision:
    return evaluate(every_kind(), view, ApprovalFacts(), waivers, NOW)


def test_one_satisfied_gate_is_enough_for_any_of() -> None:
    second = "attestation:second-look"
    assert outcomes(decide(full_view(**{second: None})))["examined"] == "satisfied"
    assert outcomes(decide(full_view(performance=None)))["examined"] == "satisfied"
    neither = decide(full_view(**{second: None, "performance": None}))
    assert outcomes(neither)["examined"] == "insufficient"
    examined = next(one for one in neither.gates if one.id == "examined")
    assert "There is no attestation:second-look evidence" in examined.reason


def test_a_gate_inside_another_may_be_waived_where_it_says_so() -> None:
    view = full_view(**{"attestation:second-look": None, "performance": None})
    assert outcomes(decide(view, waiver("accurate")))["examined"] == "waived"
    examined = next(one for one in decide(view, waiver("accurate")).gates if one.id == "examined")
    both = examined.members[1]
    assert [one.outcome.value for one in both.members] == ["waived", "not_applicable", "satisfied"]
    # Its own document lets nobody waive this one.
    assert outcomes(decide(view, waiver("second-look")))["examined"] == "insufficient"
    assert outcomes(decide(view, waiver("examined")))["examined"] == "waived"
    ended = waiver("accurate", until=NOW)
    assert outcomes(decide(view, ended))["examined"] == "insufficient"


ANY = """\
  - id: any
    kind: any_of
    title: Any
    waivable_by: [admin]
    gates:
      - {id: a, kind: documentation, title: A, accepts: [computed], requires: [x], min_length: 1,
         waivable_by: [admin]}
      - {id: b, kind: attestation, title: B, accepts: [computed], name: b, by_role: [admin]}
"""


@pytest.mark.parametrize("waived", ["a", "any"])
def test_waivers_alone_show_nothing_about_a_version(waived: str) -> None:
    policy = parse_policy(document_of(ANY).replace("count: 2", "count: 0"))
    nothing = full_view()
    decision = evaluate(
        policy, nothing, ApprovalFacts(), (waiver(waived, policy_digest=policy.digest),), NOW
    )
    assert outcomes(decision) == {"any": "waived"}
    assert decision.verdict.value == "deny"
    assert "nothing has been shown" in decision.reasons[0]
    # A job under way inside may yet show something, and then a waiver allows nothing before it.
    busy = replace(nothing, under_way=frozenset({"attestation:b"}))
    assert (
        evaluate(
            policy, busy, ApprovalFacts(), (waiver(waived, policy_digest=policy.digest),), NOW
        ).verdict.value
        != "allow"
    )


def test_a_waived_gate_of_all_of_leaves_what_the_others_show() -> None:
    both = ANY.replace("any_of", "all_of")
    policy = parse_policy(
        document_of(both.replace("[x]", "[owner]")).replace("count: 2", "count: 0")
    )
    for waived in ("a", "any"):
        decision = evaluate(
            policy,
            full_view(),
            ApprovalFacts(),
            (waiver(waived, policy_digest=policy.digest),),
            NOW,
        )
        assert decision.verdict.value == ("allow" if waived == "any" else "deny")


def test_a_decision_tells_what_a_gate_reads_where_its_kind_does_not() -> None:
    recorded: Any = decide(full_view()).to_mapping()
    told = {gate["id"]: gate.get("reads") for gate in recorded["gates"]}
    assert told == {
        "lineage": None,
        "safe": None,
        "vulnerable": None,
        "documented": None,
        "validated": ["attestation:independent-validation"],
        "robust": ["reported:robustness"],
        "alike": None,
        "crossed": None,
        "published": None,
        "examined": ["attestation:second-look", "performance", "recomputation"],
    }
    examined = recorded["gates"][-2]
    assert [gate["id"] for gate in examined["gates"]] == ["second-look", "both"]
    assert [gate["id"] for gate in examined["gates"][1]["gates"]] == [
        "accurate",
        "no-worse",
        "made-again",
    ]


def test_the_offline_verifier_reads_the_same_kinds_out_of_a_decision() -> None:
    from muniment.verify.evidence_view import kinds_read

    recorded: Any = decide(full_view()).to_mapping()
    assert kinds_read(recorded["gates"]) == every_kind().evidence_kinds


def test_a_waived_gate_waits_for_no_job() -> None:
    """Else taking the job away would let through what waited for it."""
    policy = parse_policy(
        document_of(LINEAGE, GATES.partition("  - id: vulnerable")[0].rstrip() + "\n")
        .replace("count: 2", "count: 0")
        .replace("    formats: [pickle, text]", "    waivable_by: [admin]")
    )
    waived = waiver("safe", policy_digest=policy.digest)
    idle = full_view(artifact_safety=None)
    for view in (idle, replace(idle, under_way=frozenset({"artifact_safety"}))):
        decision = evaluate(policy, view, ApprovalFacts(), (waived,), NOW)
        assert outcomes(decision) == {"lineage": "satisfied", "safe": "waived"}
        assert decision.verdict.value == "allow"


def test_long_names_of_groups_do_not_stop_a_decision() -> None:
    """A decision stands in a log entry, and the evidence holds every number anyway."""
    names = [f"{'𝔊' * 280}{number}" for number in range(40)]
    hostile = finding("bias", group_measurements(*(group(name) for name in names)))
    granted = waiver("accurate")
    view = full_view(bias=hostile, performance=None, **{"attestation:second-look": None})
    decision = decide(view, granted)
    recorded: Any = decision.to_mapping()
    # Base64 makes four bytes of three, and an entry has 65,535.
    assert len(canonical_json(recorded)) < 47_000
    alike = next(one for one in recorded["gates"] if one["id"] == "alike")
    assert alike["details"] == {"left_out": True}
    assert alike["reason"]
    examined = next(one for one in recorded["gates"] if one["id"] == "examined")
    accurate = examined["gates"][1]["gates"][0]
    assert accurate["details"]["waiver_digest"] == granted.digest
    again = replay_decision(
        recorded, policy=every_kind(), evidence={item.digest: item for item in view.items}
    )
    assert again.to_mapping() == recorded
    assert "'left_out': True" not in str(decide(full_view()).to_mapping())
