"""Approvals: which signed reviews count, and whether they are enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from accounts.domain.groups import role_text
from accounts.domain.signature import SignatureMethod
from registry.domain.approval_steps import Progress, StepResult
from registry.domain.moments import is_aware, rfc3339
from registry.domain.policy import ApprovalRule
from registry.domain.separation import why_not_review
from registry.domain.words import ReviewOutcome, ReviewVerdict

EXPIRED: Final = "expired"
OTHER_STEP: Final = "other_step"
_OTHER_STEP: Final = "It was signed in a role that the step open then did not ask for."


@dataclass(frozen=True, slots=True)
class Approval:
    """One signed review verdict: by whom, in which role, on exactly which evidence.

    `person` is a pseudonymous id; `evidence_digest` is what the signature covers; `digest` is
    that of the signed envelope; `signature` is how the person showed who they are. `is_dismissed`
    where something set it aside, or its signer took it back: it counts no more, whatever the
    evidence becomes.
    """

    person: str
    role: str
    verdict: str
    evidence_digest: str
    signed_at: datetime
    digest: str
    signature: str = SignatureMethod.PASSWORD.value
    is_dismissed: bool = False

    def to_mapping(self) -> dict[str, object]:
        """Give the approval as JSON-able values; `signature` where it is more than a password."""
        mapping: dict[str, object] = {
            "person": self.person,
            "role": self.role,
            "verdict": self.verdict,
            "evidence_digest": self.evidence_digest,
            "signed_at": rfc3339(self.signed_at),
            "digest": self.digest,
        }
        if self.signature != SignatureMethod.PASSWORD.value:
            mapping["signature"] = self.signature
        if self.is_dismissed:
            mapping["is_dismissed"] = True
        return mapping


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """Who asked, who trained, and what reviewers signed; nothing of it need be there.

    `requester` and `trainer` are pseudonymous ids, None where there is no request yet or the
    trainer is nobody that Muniment knows. `risk_tier` is the model's, where the policy has
    approvals count for other times in each; None where it does not, or nobody knows it.
    """

    requester: str | None = None
    trainer: str | None = None
    signed: tuple[Approval, ...] = ()
    risk_tier: str | None = None

    def to_mapping(self) -> dict[str, object]:
        """Give the facts as JSON-able values; `risk_tier` where the policy asks for it."""
        return {
            "requester": self.requester,
            "trainer": self.trainer,
            "signed": [approval.to_mapping() for approval in self.signed],
            **({"risk_tier": self.risk_tier} if self.risk_tier else {}),
        }


@dataclass(frozen=True, slots=True)
class Disregarded:
    """A signed review that does not count, and why: stable `code`, one sentence."""

    digest: str
    person: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ApprovalsResult:
    """What the signed reviews come to: `given` of `required` people, and who they are.

    `signature` is the weakest that the policy counts. `roles` are those asked for now: of several
    `steps` those of the open ones.
    """

    outcome: ReviewOutcome
    required: int
    roles: tuple[str, ...]
    approved_by: tuple[str, ...]
    refused_by: tuple[str, ...]
    disregarded: tuple[Disregarded, ...]
    reason: str
    signature: SignatureMethod = SignatureMethod.PASSWORD
    changes_requested_by: tuple[str, ...] = ()
    steps: tuple[StepResult, ...] = ()

    @property
    def given(self) -> int:
        """Count the people whose approval stands."""
        return len(self.approved_by)

    @property
    def missing(self) -> int:
        """Count the approvals still to come."""
        return max(0, self.required - self.given)

    def to_mapping(self) -> dict[str, object]:
        """Give the result as JSON-able values; `signature` where more than a password is asked."""
        mapping: dict[str, object] = {
            "outcome": self.outcome.value,
            "required": self.required,
            "given": self.given,
            "roles": list(self.roles),
            "approved_by": list(self.approved_by),
            "refused_by": list(self.refused_by),
            "disregarded": [
                {
                    "digest": one.digest,
                    "person": one.person,
                    "code": one.code,
                    "reason": one.reason,
                }
                for one in self.disregarded
            ],
            "reason": self.reason,
        }
        if self.signature is not SignatureMethod.PASSWORD:
            mapping["signature"] = self.signature.value
        if self.changes_requested_by:
            mapping["changes_requested_by"] = list(self.changes_requested_by)
        if self.steps:
            mapping["steps"] = [step.to_mapping() for step in self.steps]
        return mapping


def review(
    rule: ApprovalRule, facts: ApprovalFacts, *, evidence_digest: str, as_of: datetime
) -> ApprovalsResult:
    """Count the reviews that stand on this evidence at this moment.

    A person counts once, whatever they signed twice. One refusal by somebody eligible, on this
    evidence, outweighs every approval, that person's own included: it is withdrawn by nobody.
    While somebody eligible asks for changes it stays pending, however many have approved.

    Where the policy has steps, an approval counts in one that was open when it was signed, in the
    order of the log, or not at all.
    """
    required = rule.required(trainer=facts.trainer)
    counts_for_days = rule.review_days(risk_tier=facts.risk_tier)
    progress = Progress(
        rule.steps_for(trainer=facts.trainer) if rule.steps else (), in_order=rule.in_order
    )
    approved: list[str] = []
    refused: list[str] = []
    changes: list[str] = []
    disregarded: list[Disregarded] = []
    for signed in facts.signed:
        problem = _why_not_counted(
            rule,
            facts,
            signed,
            evidence_digest=evidence_digest,
            as_of=as_of,
            counted=approved,
        )
        if problem is not None:
            code, reason = problem
            disregarded.append(Disregarded(signed.digest, signed.person, code, reason))
        elif signed.verdict == ReviewVerdict.APPROVE.value:
            if progress.takes(signed.person, signed.role):
                approved.append(signed.person)
            else:
                disregarded.append(
                    Disregarded(signed.digest, signed.person, OTHER_STEP, _OTHER_STEP)
                )
        elif signed.verdict == ReviewVerdict.REQUEST_CHANGES.value:
            changes.append(signed.person)
        elif signed.person not in refused:
            refused.append(signed.person)
    if refused:
        outcome, reason = ReviewOutcome.REFUSED, "A reviewer refused this evidence."
    elif changes:
        outcome = ReviewOutcome.PENDING
        reason = (
            "A reviewer asked for changes: new evidence, or another request, answers that, or the "
            "reviewer takes it back."
        )
    elif len(approved) >= required:
        outcome = ReviewOutcome.SATISFIED
        reason = f"{len(approved)} of {required} required approvals are signed."
    else:
        outcome = ReviewOutcome.PENDING
        reason = (
            f"{len(approved)} of {required} required approvals"
            f" (by {' or '.join(map(role_text, progress.roles or rule.roles))}) are signed."
        )
        if rule.steps:
            reason = f"{progress.words} {reason}"
        if any(one.code == EXPIRED for one in disregarded):
            reason = f"The review is overdue: approvals count for {counts_for_days} days. {reason}"
    return ApprovalsResult(
        outcome=outcome,
        required=required,
        roles=progress.roles or rule.roles,
        approved_by=tuple(approved),
        refused_by=tuple(refused),
        disregarded=tuple(disregarded),
        reason=reason,
        signature=rule.signature,
        changes_requested_by=tuple(dict.fromkeys(changes)),
        steps=progress.results,
    )


def _why_not_counted(
    rule: ApprovalRule,
    facts: ApprovalFacts,
    signed: Approval,
    *,
    evidence_digest: str,
    as_of: datetime,
    counted: list[str],
) -> tuple[str, str] | None:
    if signed.verdict not in list(ReviewVerdict):
        return "unknown_verdict", "It is neither an approval nor a refusal."
    if not is_aware(signed.signed_at) or signed.signed_at > as_of:
        return "not_yet_signed", "It is dated after the moment that is asked about."
    if signed.evidence_digest != evidence_digest:
        return "other_evidence", "The evidence has changed since it was signed."
    if signed.is_dismissed:
        return "dismissed", "It was dismissed, or its signer took it back."
    days = rule.review_days(risk_tier=facts.risk_tier)
    if (
        days is not None
        and signed.verdict == ReviewVerdict.APPROVE.value
        and as_of - signed.signed_at >= timedelta(days=days)
    ):
        return EXPIRED, f"It was signed {days} days ago, or more."
    ineligible = why_not_review(
        rule=rule,
        person=signed.person,
        roles=(signed.role,),
        requester=facts.requester,
        trainer=facts.trainer,
    )
    if ineligible is not None:
        return ineligible.code, _NOT_COUNTED[ineligible.code]
    if not _is_strong_enough(signed.signature, rule.signature):
        return "weak_signature", f"The policy asks for a signature by {WORDS[rule.signature]}."
    if signed.verdict == ReviewVerdict.APPROVE.value and signed.person in counted:
        return "already_signed", "The same person has approved already."
    return None


def _is_strong_enough(signature: str, least: SignatureMethod) -> bool:
    # What nobody knows is as good as nothing.
    known = [method for method in SignatureMethod if method.value == signature]
    return bool(known) and known[0].reaches(least)


WORDS = {
    SignatureMethod.PASSWORD: "password",
    SignatureMethod.TOTP: "password and one-time code, or by passkey",
    SignatureMethod.PASSKEY: "passkey",
}
# `why_not_review` speaks to the person; a page and a report speak about them.
_NOT_COUNTED = {
    "role_cannot_review": "It was signed in a role that the policy does not ask for.",
    "is_requester": "It was signed by the person who requested the promotion.",
    "is_trainer": "It was signed by the person who trained the version.",
}
