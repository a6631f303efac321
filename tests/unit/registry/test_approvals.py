"""Which signatures count, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registry.domain.approvals import ApprovalFacts
from registry.domain.evaluation import evaluate
from registry.domain.separation import why_not_request, why_not_review
from registry.domain.words import ReviewOutcome, Verdict
from tests.unit.registry.samples import (
    NOW,
    approved,
    bias_item,
    bias_measurements,
    champion_facts,
    credit_decision,
    decide,
    evidence_view,
    performance_item,
    signed,
)

VIEW = evidence_view()


def facts(*approvals: Any, **changes: Any) -> ApprovalFacts:
    return replace(approved(VIEW), signed=approvals, **changes)


def test_two_reviewers_of_good_evidence_allow() -> None:
    decision = decide(VIEW, approved(VIEW))
    assert decision.verdict is Verdict.ALLOW
    assert decision.allowed
    assert decision.reasons == ()
    assert decision.approvals.approved_by == ("ada", "grace")


def test_a_gate_that_is_not_applicable_and_one_that_is_satisfied_both_let_through() -> None:
    view = evidence_view(champion=champion_facts())
    assert decide(view, approved(view)).verdict is Verdict.ALLOW


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_approvals_are_pending(count: int) -> None:
    decision = decide(VIEW, facts(*approved(VIEW).signed[:count]))
    assert decision.verdict is Verdict.PENDING
    assert decision.approvals.missing == 2 - count


def test_no_request_yet_is_pending_too() -> None:
    assert decide(VIEW, ApprovalFacts()).verdict is Verdict.PENDING


def test_approvals_do_not_outweigh_a_gate() -> None:
    view = evidence_view(
        items=(bias_item(bias_measurements(black_selected=75)), performance_item())
    )
    assert decide(view, approved(view)).verdict is Verdict.DENY


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (signed("ada", VIEW, digest="another"), "already_signed"),
        (signed("engineer", VIEW), "is_requester"),
        (signed("trainer", VIEW), "is_trainer"),
        (signed("grace", VIEW, role="auditor"), "role_cannot_review"),
        (signed("grace", VIEW, role=""), "role_cannot_review"),
        (signed("grace", VIEW, evidence_digest="0" * 64), "other_evidence"),
        (signed("grace", VIEW, signed_at=NOW + timedelta(seconds=1)), "not_yet_signed"),
        (signed("grace", VIEW, signed_at=NOW.replace(tzinfo=None)), "not_yet_signed"),
        (signed("grace", VIEW, verdict="approved"), "unknown_verdict"),
    ],
)
def test_a_signature_that_does_not_count_is_named_with_its_reason(second: Any, code: str) -> None:
    decision = decide(VIEW, facts(signed("ada", VIEW), second, trainer="trainer"))
    assert decision.verdict is Verdict.PENDING
    assert decision.approvals.approved_by == ("ada",)
    assert [ignored.code for ignored in decision.approvals.disregarded] == [code]


def test_a_signature_at_this_very_moment_counts() -> None:
    both = [signed(person, VIEW, signed_at=NOW) for person in ("ada", "grace")]
    assert decide(VIEW, facts(*both)).allowed


def test_a_refusal_denies_whoever_approved() -> None:
    refusal = signed("lin", VIEW, verdict="refuse")
    decision = decide(VIEW, facts(*approved(VIEW).signed, refusal))
    assert decision.verdict is Verdict.DENY
    assert decision.approvals.outcome is ReviewOutcome.REFUSED
    assert decision.approvals.refused_by == ("lin",)


def test_a_reviewer_who_approved_and_then_refused_has_refused() -> None:
    decision = decide(VIEW, facts(signed("ada", VIEW), signed("ada", VIEW, verdict="refuse")))
    assert decision.verdict is Verdict.DENY


@pytest.mark.parametrize(
    "refusal",
    [
        signed("engineer", VIEW, verdict="refuse"),
        signed("lin", VIEW, verdict="refuse", role="engineer"),
        signed("lin", VIEW, verdict="refuse", evidence_digest="0" * 64),
    ],
)
def test_a_refusal_by_nobody_entitled_or_of_other_evidence_does_not_deny(refusal: Any) -> None:
    assert decide(VIEW, facts(*approved(VIEW).signed, refusal)).allowed


@pytest.mark.parametrize(
    "changed",
    [
        evidence_view(items=(bias_item(digest="5" * 64), performance_item())),
        evidence_view(items=(bias_item(),)),
        evidence_view(champion=champion_facts()),
        evidence_view(alias="production"),
    ],
)
def test_approvals_fall_when_the_evidence_changes(changed: Any) -> None:
    assert decide(changed, approved(VIEW)).approvals.given == 0


def test_approvals_fall_under_another_version_of_the_policy() -> None:
    newer = replace(credit_decision(), digest="sha256:" + "e" * 64)
    assert evaluate(newer, VIEW, approved(VIEW), (), NOW).verdict is Verdict.PENDING


@pytest.mark.parametrize(
    ("person", "roles", "code"),
    [
        ("engineer", ("reviewer",), "is_requester"),
        ("trainer", ("reviewer", "engineer"), "is_trainer"),
        ("ada", ("engineer", "auditor"), "role_cannot_review"),
        ("ada", (), "role_cannot_review"),
        ("grace", ("reviewer",), "already_signed"),
        ("ada", ("reviewer",), None),
    ],
)
def test_why_you_cannot_review(person: str, roles: tuple[str, ...], code: str | None) -> None:
    refusal = why_not_review(
        rule=credit_decision().approvals,
        person=person,
        roles=roles,
        requester="engineer",
        trainer="trainer",
        already_signed_by=("grace",),
    )
    assert (refusal.code if refusal else None) == code


def test_only_engineers_request() -> None:
    assert why_not_request(roles=("engineer", "reviewer")) is None
    refusal = why_not_request(roles=("auditor",))
    assert refusal is not None
    assert refusal.code == "role_cannot_request"


@pytest.mark.parametrize(("trainer", "required"), [(None, 3), ("trainer", 2)])
def test_an_unknown_trainer_takes_one_more_where_the_policy_says_so(
    trainer: str | None, required: int
) -> None:
    policy = credit_decision()
    policy = replace(policy, approvals=replace(policy.approvals, unknown_trainer_adds=1))
    decision = evaluate(policy, VIEW, facts(*approved(VIEW).signed, trainer=trainer), (), NOW)
    assert decision.approvals.required == required
    assert decision.allowed is (required == 2)


def test_a_document_from_before_asks_for_no_more_of_an_unknown_trainer() -> None:
    assert decide(VIEW, facts(*approved(VIEW).signed, trainer=None)).allowed
