"""For how many days an approval counts, by the model's risk tier; of an unknown one the fewest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from registry.domain.approvals import EXPIRED, Approval, ApprovalFacts, review
from registry.domain.errors import PolicyError
from registry.domain.policy import ApprovalRule
from registry.domain.policy_parser import parse_policy
from registry.domain.words import ReviewOutcome
from tests.policies import lenient_credit_decision
from tests.unit.registry.samples import NOW

RULE = ApprovalRule(
    count=1,
    roles=("reviewer",),
    distinct_from=("requester",),
    review_by_tier=(("high", 90), ("medium", 365)),
)


def facts(days_ago: int, risk_tier: str | None) -> ApprovalFacts:
    at = NOW - timedelta(days=days_ago)
    signed = (Approval("a", "reviewer", "approve", "d", at, "x"),)
    return ApprovalFacts("q", "t", signed, risk_tier)


@pytest.mark.parametrize(
    ("risk_tier", "days_ago", "counts"),
    [
        ("high", 89, True),
        ("high", 90, False),
        ("medium", 364, True),
        ("medium", 365, False),
        (None, 89, True),
        (None, 90, False),
        ("low", 90, False),  # a tier that the policy does not name
    ],
)
def test_an_approval_counts_for_as_long_as_its_tier_says(
    risk_tier: str | None, days_ago: int, counts: bool
) -> None:
    found = review(RULE, facts(days_ago, risk_tier), evidence_digest="d", as_of=NOW)
    assert (found.outcome is ReviewOutcome.SATISFIED) is counts
    if not counts:
        days = RULE.review_days(risk_tier=risk_tier)
        assert [one.code for one in found.disregarded] == [EXPIRED]
        assert found.reason.startswith(f"The review is overdue: approvals count for {days} days.")


def test_the_tier_is_told_where_it_decides_and_nowhere_else() -> None:
    assert facts(1, "high").to_mapping()["risk_tier"] == "high"
    assert "risk_tier" not in facts(1, None).to_mapping()


def parsed(days: str) -> ApprovalRule:
    text = lenient_credit_decision().replace("risk_tiers: [high]", "risk_tiers: [high, medium]")
    return parse_policy(f"{text}  review_every_days: {days}\n".encode()).approvals


def test_a_document_says_it_of_every_tier_that_it_may_be_bound_to() -> None:
    rule = parsed("{medium: 365, high: 90}")
    assert rule.review_by_tier == (("high", 90), ("medium", 365))
    assert replace(RULE, count=2, distinct_from=rule.distinct_from) == rule
    assert parsed("30").review_days(risk_tier="high") == 30


@pytest.mark.parametrize(
    "days", ["{}", "{high: 90}", "{high: 90, medium: 1, low: 1}", "{high: 0, medium: 1}", "[90]"]
)
def test_what_leaves_a_tier_out_or_names_another_is_an_error(days: str) -> None:
    with pytest.raises(PolicyError, match=r"approvals\.review_every_days"):
        parsed(days)
