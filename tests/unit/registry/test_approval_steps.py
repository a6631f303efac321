"""Approvals in steps: in the order that the policy says, each person once, never fewer by more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.groups import group_role
from registry.domain.approvals import OTHER_STEP, Approval, ApprovalFacts, ApprovalsResult, review
from registry.domain.errors import PolicyError
from registry.domain.policy import ApprovalRule, ApprovalStep, Policy
from registry.domain.policy_parser import parse_policy
from registry.domain.words import ReviewOutcome
from tests.unit.registry.samples import CREDIT_DECISION, NOW

STEPS = (
    ApprovalStep(1, ("reviewer",), "Validation"),
    ApprovalStep(1, ("admin",)),
    ApprovalStep(1, ("reviewer", "admin")),
)
RULE = ApprovalRule(
    count=3, roles=("reviewer", "admin"), distinct_from=("requester", "trainer"), steps=STEPS
)


def approval(person: str, role: str, minute: int = 0) -> Approval:
    at = NOW - timedelta(minutes=60 - minute)
    return Approval(person, role, "approve", "d", at, f"{person}-{role}-{minute}")


def judged(
    *signed: Approval, rule: ApprovalRule = RULE, trainer: str | None = "t"
) -> ApprovalsResult:
    return review(rule, ApprovalFacts("q", trainer, signed), evidence_digest="d", as_of=NOW)


def test_in_order_they_satisfy() -> None:
    result = judged(approval("a", "reviewer"), approval("b", "admin"), approval("c", "reviewer"))
    assert result.outcome is ReviewOutcome.SATISFIED
    assert [step.approved_by for step in result.steps] == [("a",), ("b",), ("c",)]


def test_who_signs_before_their_step_is_open_does_not_count() -> None:
    result = judged(approval("b", "admin"), approval("a", "reviewer"), approval("c", "reviewer"))
    assert (result.given, result.roles) == (1, ("admin",))
    assert [one.code for one in result.disregarded] == [OTHER_STEP, OTHER_STEP]
    assert result.reason.startswith("Step 2 of 3 has 0 of 1. 1 of 3 required approvals (by admin)")


def test_a_person_is_in_one_step_only() -> None:
    result = judged(approval("a", "reviewer"), approval("a", "admin"), approval("a", "admin"))
    assert (result.approved_by, result.outcome) == (("a",), ReviewOutcome.PENDING)


def test_the_last_step_waits_for_one_more_where_nobody_knows_the_trainer() -> None:
    rule = replace(RULE, unknown_trainer_adds=1)
    signed = [approval("a", "reviewer"), approval("b", "admin"), approval("c", "admin")]
    assert judged(*signed, rule=rule).outcome is ReviewOutcome.SATISFIED
    assert judged(*signed, rule=rule, trainer=None).outcome is ReviewOutcome.PENDING
    signed.append(approval("d", "admin"))
    assert judged(*signed, rule=rule, trainer=None).outcome is ReviewOutcome.SATISFIED


def test_in_any_order_each_counts_where_it_is_asked_for() -> None:
    group = group_role("model-risk")
    steps = (ApprovalStep(1, ("reviewer",), "Validation"), ApprovalStep(1, (group,)))
    rule = replace(RULE, count=2, roles=("reviewer", group), steps=steps, in_order=False)
    first = judged(approval("m", group), rule=rule)
    assert (first.given, first.roles) == (1, ("reviewer",))
    assert first.reason == (
        "Step 1 of 2 (Validation) has 0 of 1. 1 of 2 required approvals (by reviewer) are signed."
    )
    assert judged(rule=rule).roles == (group, "reviewer")  # members sign for what fewer can
    other = judged(approval("n", group), approval("m", group), rule=rule)
    assert (other.given, [one.code for one in other.disregarded]) == (1, [OTHER_STEP])
    both = judged(approval("m", group), approval("a", "reviewer"), rule=rule)
    assert both.outcome is ReviewOutcome.SATISFIED


def test_neither_requester_nor_trainer_completes_a_step() -> None:
    for person in ("q", "t"):
        assert judged(approval(person, "reviewer")).given == 0


SIGNED = st.lists(
    st.tuples(st.sampled_from("abcdefgqt"), st.sampled_from(("reviewer", "admin", "auditor"))),
    unique_by=lambda pair: pair[0],
    max_size=8,
)


@given(SIGNED, st.integers(0, 7), st.booleans(), st.booleans())
def test_taking_an_approval_away_satisfies_nothing(
    pairs: list[tuple[str, str]], place: int, is_known: bool, in_order: bool
) -> None:
    signed = [approval(*pair, minute) for minute, pair in enumerate(pairs)]
    fewer = signed[:place] + signed[place + 1 :]
    trainer = "t" if is_known else None
    rule = replace(RULE, unknown_trainer_adds=1, in_order=in_order)
    more = judged(*signed, rule=rule, trainer=trainer)
    less = judged(*fewer, rule=rule, trainer=trainer)
    assert less.given <= more.given
    assert len(set(more.approved_by)) == more.given == sum(len(s.approved_by) for s in more.steps)
    if less.outcome is ReviewOutcome.SATISFIED:
        assert more.outcome is ReviewOutcome.SATISFIED
    # In order, no step has anybody before the one ahead of it is complete.
    for ahead, behind in zip(more.steps, more.steps[1:], strict=False):
        assert not in_order or ahead.is_complete or not behind.approved_by


def document(approvals: str) -> Policy:
    text = CREDIT_DECISION.read_text()
    start = text.index("approvals:\n")
    return parse_policy(f"{text[:start]}approvals:\n{approvals}".encode())


def test_a_document_says_them() -> None:
    found = document(
        "  distinct_from: [requester, trainer]\n  steps:\n"
        "    - {title: Validation, roles: [reviewer], count: 1}\n"
        "    - {roles: [admin], count: 2}\n"
    ).approvals
    assert (found.count, found.roles) == (3, ("reviewer", "admin"))
    assert found.steps == (
        ApprovalStep(1, ("reviewer",), "Validation"),
        ApprovalStep(2, ("admin",)),
    )


def test_a_document_names_groups() -> None:
    found = document(
        "  distinct_from: [requester]\n  steps:\n"
        "    - {groups: [model-risk, fair-lending], count: 1}\n"
        "    - {roles: [reviewer], groups: [model-risk], count: 1}\n  in_order: false\n"
    ).approvals
    assert found.roles == ("group:model-risk", "group:fair-lending", "reviewer")
    assert found.in_order is False
    plain = document("  distinct_from: [requester]\n  count: 2\n  groups: [model-risk]\n")
    assert plain.approvals.roles == ("group:model-risk",)


@pytest.mark.parametrize(
    "approvals",
    [
        "  count: 1\n  groups: []\n",
        "  count: 1\n",
        "  count: 1\n  groups: [model_risk]\n",
        "  count: 1\n  groups: ['group:x']\n",
        "  count: 1\n  groups: [x, x]\n",
        f"  count: 1\n  groups: [{'x' * 41}]\n",
        "  count: 1\n  roles: ['group:x']\n",
        "  count: 1\n  roles: [reviewer]\n  in_order: false\n",
        "  groups: [x]\n  steps: [{roles: [reviewer], count: 1}]\n",
        "  steps: []\n",
        "  steps: [{roles: [reviewer], count: 6}, {roles: [admin], count: 5}]\n",
        "  steps: [{roles: [reviewer], count: 0}]\n",
        "  steps: [{roles: [auditor], count: 1}]\n",
        "  steps: [{roles: [reviewer], count: 1, group: x}]\n",
        "  count: 1\n  steps: [{roles: [reviewer], count: 1}]\n",
        "  roles: [reviewer]\n  steps: [{roles: [reviewer], count: 1}]\n",
    ],
)
def test_what_is_no_step_is_an_error(approvals: str) -> None:
    with pytest.raises(PolicyError):
        document(f"  distinct_from: [requester, trainer]\n{approvals}")


def test_without_steps_nothing_is_said_of_them() -> None:
    rule = ApprovalRule(count=1, roles=("reviewer",), distinct_from=("requester",))
    assert "steps" not in judged(approval("a", "reviewer"), rule=rule).to_mapping()
