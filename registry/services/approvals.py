"""Reviews: the one service that signs, for the page and for everything else."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.services.people import reauthenticate
from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.disclosures import commit_person, commit_text
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest
from registry.domain.promotion import PromotionStatus
from registry.domain.separation import Ineligibility, why_not_review
from registry.domain.words import ReviewVerdict
from registry.errors import (
    EvidenceChanged,
    InvalidRequest,
    PromotionClosed,
    ReviewNotAllowed,
)
from registry.models import Approval, Promotion
from registry.services.decisions import decide_promotion
from registry.services.evaluation import Evaluation, evaluate_version
from registry.services.locking import lock_promotion
from registry.services.policies import document_of
from registry.services.text import require_plain_text

MEANINGS = {
    ReviewVerdict.APPROVE: "I have reviewed this evidence and approve the promotion.",
    ReviewVerdict.REFUSE: "I have reviewed this evidence and refuse the promotion.",
}
MAX_REASON = 4000
MAX_MEANING = 200


def sign_review(
    *,
    promotion_id: UUID,
    verdict: str,
    reason: str,
    meaning: str,
    evidence_digest: str,
    password: str,
    actor: Actor,
    now: datetime,
) -> Promotion:
    """Sign a review of exactly the evidence that was shown, after re-authentication.

    The signature is bound to the promotion, the version's bytes, the alias and the digest of the
    evidence (21 CFR 11.70); name, time and meaning stand in the log, the name as a commitment.

    Args:
        evidence_digest: the digest that the reviewer's page carried.
        meaning: what the signer adds to the sentence of the verdict, kept with the reason; may be
            empty or that sentence.

    Raises:
        RoleRequired, ReviewNotAllowed: this person may not review this promotion.
        ReauthenticationFailed, SigningLocked: the password is wrong; nothing was signed.
        EvidenceChanged: the evidence is no longer what was shown; nothing was signed.
        PromotionClosed: it is not in review.
        InvalidRequest: an unknown verdict, a text that is too long, or a refusal without a reason.
    """
    actor.require_role("review a promotion", "reviewer")
    signed_verdict = _verdict(verdict)
    meaning, reason = meaning.strip(), reason.strip()
    require_plain_text("meaning of your signature", meaning, MAX_MEANING)
    if signed_verdict is ReviewVerdict.REFUSE and not reason:
        raise InvalidRequest("Give the reason for which you refuse.")
    require_plain_text("reason", reason, MAX_REASON)
    # The log holds the sentence of the verdict; what people add in their own words is free text,
    # which it holds a hash of (design: no personal data in a leaf).
    sentence = MEANINGS[signed_verdict]
    reason = "\n\n".join(part for part in (reason, meaning.removeprefix(sentence).strip()) if part)
    person = User.objects.get(pk=actor.id)
    # Before the transaction: a wrong password is counted even though nothing is signed.
    reauthenticate(user=person, password=password, now=now)
    with transaction.atomic(durable=True):
        promotion = lock_promotion(promotion_id)
        if promotion.status != PromotionStatus.IN_REVIEW:
            raise PromotionClosed(
                f"This promotion is not in review: it is {promotion.status.replace('_', ' ')}."
            )
        evaluation = evaluate_version(version=promotion.version, alias=promotion.alias, as_of=now)
        refusal = why_not(evaluation, actor)
        if refusal is not None:
            raise ReviewNotAllowed(refusal.reason)
        decision = evaluation.decision
        if decision is None or decision.evidence_digest != evidence_digest:
            raise EvidenceChanged(
                "The evidence has changed since this page was shown, so nothing was signed. "
                "Read the promotion again and decide on what it shows now."
            )
        _sign(
            promotion=promotion,
            person=person,
            verdict=signed_verdict,
            meaning=sentence,
            reason=reason,
            evaluation=evaluation,
            actor=actor,
            now=now,
        )
        return decide_promotion(promotion_id=promotion.pk, actor=actor, now=now)


def why_not(evaluation: Evaluation, actor: Actor) -> Ineligibility | None:
    """Say why this person may not review the evaluated promotion; None when they may."""
    decision, promotion = evaluation.decision, evaluation.promotion
    if decision is None or evaluation.binding is None or promotion is None:
        return Ineligibility("not_in_review", "There is nothing to review.")
    return why_not_review(
        rule=document_of(evaluation.binding.policy).approvals,
        person=actor.id,
        roles=actor.roles,
        requester=str(promotion.requester_id),
        trainer=str(promotion.trainer_id) if promotion.trainer_id else None,
        already_signed_by=(*decision.approvals.approved_by, *decision.approvals.refused_by),
    )


def _verdict(verdict: str) -> ReviewVerdict:
    try:
        return ReviewVerdict(verdict)
    except ValueError as error:
        raise InvalidRequest("Choose whether you approve or refuse.") from error


def _sign(
    *,
    promotion: Promotion,
    person: User,
    verdict: ReviewVerdict,
    meaning: str,
    reason: str,
    evaluation: Evaluation,
    actor: Actor,
    now: datetime,
) -> Approval:
    policy = document_of(evaluation.binding.policy)  # type: ignore[union-attr] # decided above
    role = next(role for role in policy.approvals.roles if role in actor.roles)
    approval = Approval(
        promotion=promotion,
        person=person,
        requester=promotion.requester,
        trainer=promotion.trainer,
        role=role,
        verdict=verdict.value,
        meaning=meaning,
        person_commitment=commit_person(
            person_id=person.pk, printed_name=person.printed_name, role=role
        ),
        reason_commitment=commit_text(person_id=person.pk, text=reason) if reason else "",
        evidence_digest=evaluation.decision.evidence_digest,  # type: ignore[union-attr]
        signed_at=now,
    )
    approval.entry = append_statement(
        event=(
            Event.APPROVAL_GIVEN if verdict is ReviewVerdict.APPROVE else Event.APPROVAL_REFUSED
        ),
        predicate_type=predicate_type("approval"),
        subject_name=promotion.version.uri,
        subject_digest=Digest.parse(evaluation.view.subject_digest),
        predicate=approval.statement_fields(),
        stream=promotion.version.registered_model.uri,
        actor=actor,
        now=now,
    )
    approval.save(force_insert=True)
    return approval
