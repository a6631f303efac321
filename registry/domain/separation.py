"""Who may request and who may review: separation of duties, answered as a value.

One function serves the service that refuses, the evaluation that does not count, and the page
that says "why you cannot".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from accounts.domain.groups import role_text
from registry.domain.policy import ApprovalRule

REQUESTER_ROLE = "engineer"


@dataclass(frozen=True, slots=True)
class Ineligibility:
    """Why a person may not do it: a stable `code` and one sentence said to them."""

    code: str
    reason: str


def why_not_request(*, roles: Collection[str]) -> Ineligibility | None:
    """Say why a person with these roles may not request a promotion; None when they may."""
    if REQUESTER_ROLE in roles:
        return None
    return Ineligibility(
        code="role_cannot_request",
        reason=f"Only people with the role {REQUESTER_ROLE} request promotions.",
    )


def why_not_review(
    *,
    rule: ApprovalRule,
    person: str,
    roles: Collection[str],
    requester: str | None,
    trainer: str | None,
    already_signed_by: Collection[str] = (),
) -> Ineligibility | None:
    """Say why this person may not review (approve or refuse) a promotion; None when they may.

    People are pseudonymous ids. `requester` and `trainer` are None where nobody is known;
    `already_signed_by` holds those whose signature on the current evidence stands.
    """
    if not any(role in rule.roles for role in roles):
        return Ineligibility(
            code="role_cannot_review",
            reason=f"The policy asks for a review by: {', '.join(map(role_text, rule.roles))}.",
        )
    if "requester" in rule.distinct_from and requester is not None and person == requester:
        return Ineligibility(
            code="is_requester",
            reason="You requested this promotion, and nobody reviews their own request.",
        )
    if "trainer" in rule.distinct_from and trainer is not None and person == trainer:
        return Ineligibility(
            code="is_trainer",
            reason="You trained this version, and nobody reviews their own work.",
        )
    if person in already_signed_by:
        return Ineligibility(
            code="already_signed",
            reason="You have already signed a review of this evidence.",
        )
    return None
