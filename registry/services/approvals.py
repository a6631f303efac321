"""Reviews: the one service that signs, for the page and for everything else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Max

from audits.domain.actor import Actor
from audits.services.log import append_statement, predicate_type
from registry.domain.promotion import PromotionStatus
from registry.domain.separation import Ineligibility, why_not_review
from registry.domain.words import ReviewVerdict
from registry.errors import AlreadySigned, EvidenceChanged, PromotionClosed, ReviewNotAllowed
from registry.models import Approval, Promotion
from registry.services.decisions import decide_promotion
from registry.services.evaluation import Evaluation, evaluate_version
from registry.services.locking import lock_promotion
from registry.services.policies import document_of
from registry.services.review_draft import ReviewDraft, draft_review, keep_disclosures, read_words
from registry.services.review_notices import tell_of_changes
from registry.services.signature_strength import least_signature, require_least
from registry.services.signing import Means, Pen, sign

OPERATION: Final = "review a promotion"


def sign_review(
    *,
    promotion_id: UUID,
    verdict: str,
    reason: str,
    meaning: str,
    evidence_digest: str,
    means: Means,
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
        As `sign`, and
        ReviewNotAllowed: this person may not review this promotion.
        AlreadySigned: they have signed this evidence.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        EvidenceChanged: the evidence is no longer what was shown; nothing was signed.
        PromotionClosed: it is not in review.
        InvalidRequest: an unknown verdict, a text that is too long, or a refusal without a reason.
    """
    actor.require_role(OPERATION, "reviewer")
    words = read_words(verdict=verdict, reason=reason, meaning=meaning)

    def write(pen: Pen) -> Promotion:
        promotion = lock_promotion(promotion_id)
        pen.now = _now_under_lock(promotion, pen.now)
        evaluation = _require_reviewable(promotion, evidence_digest, pen.actor, pen.now)
        require_least(
            pen.method,
            least_signature(evaluation.binding, promotion),
            asking="An emergency" if promotion.emergency else "The policy",
        )
        draft = draft_review(promotion=promotion, words=words, evaluation=evaluation, pen=pen)
        _require_not_taken_back(draft.approval)
        approval = _sign(draft, pen)
        if approval.verdict == ReviewVerdict.REQUEST_CHANGES.value:
            tell_of_changes(promotion, approval.pk, pen.now)
        return decide_promotion(promotion_id=promotion.pk, actor=pen.actor, now=pen.now)

    return sign(
        write,
        operation=OPERATION,
        roles=("reviewer",),
        about=str(promotion_id),
        means=means,
        actor=actor,
        now=now,
    )


def why_not(evaluation: Evaluation, actor: Actor) -> Ineligibility | None:
    """Say why this person may not review the evaluated promotion; None when they may."""
    decision, promotion = evaluation.decision, evaluation.promotion
    if decision is None or evaluation.binding is None or promotion is None:
        return Ineligibility("not_in_review", "There is nothing to review.")
    return why_not_review(
        # Of several steps, the open one is whom a verdict is asked of.
        rule=replace(
            document_of(evaluation.binding.policy).approvals, roles=decision.approvals.roles
        ),
        person=actor.id,
        roles=actor.roles,
        requester=str(promotion.requester_id),
        trainer=str(promotion.trainer_id) if promotion.trainer_id else None,
        already_signed_by=(
            *decision.approvals.approved_by,
            *decision.approvals.refused_by,
            *decision.approvals.changes_requested_by,
        ),
    )


def _now_under_lock(promotion: Promotion, now: datetime) -> datetime:
    """Count what stands: whoever waited for the lock may have begun before the one who held it."""
    newest = promotion.approvals.aggregate(at=Max("signed_at"))["at"]
    return max(now, newest) if newest else now


def _require_reviewable(
    promotion: Promotion, evidence_digest: str, actor: Actor, now: datetime
) -> Evaluation:
    if promotion.status != PromotionStatus.IN_REVIEW:
        raise PromotionClosed(
            f"This promotion is not in review: it is {promotion.status.replace('_', ' ')}."
        )
    evaluation = evaluate_version(version=promotion.version, alias=promotion.alias, as_of=now)
    refusal = why_not(evaluation, actor)
    if refusal is not None:
        # A second click, or a form sent again after its answer was lost.
        raise (AlreadySigned if refusal.code == "already_signed" else ReviewNotAllowed)(
            refusal.reason
        )
    decision = evaluation.decision
    if decision is None or decision.evidence_digest != evidence_digest:
        raise EvidenceChanged(
            "The evidence has changed since this page was shown, so nothing was signed. "
            "Read the promotion again and decide on what it shows now."
        )
    return evaluation


def _require_not_taken_back(approval: Approval) -> None:
    same = approval.promotion.approvals.filter(
        person=approval.person_id,
        evidence_digest=approval.evidence_digest,
        verdict=approval.verdict,
    )
    if same.exists():
        raise ReviewNotAllowed(
            "This verdict of yours on this evidence was taken back, or dismissed. It can be signed "
            "again on other evidence, or when the promotion is requested again."
        )


def _sign(draft: ReviewDraft, pen: Pen) -> Approval:
    approval = draft.approval
    keep_disclosures(draft, pen)
    approval.entry = append_statement(
        event=draft.event,
        predicate_type=predicate_type("approval"),
        subject_name=draft.subject.name,
        subject_digest=draft.subject.digest,
        predicate=draft.predicate,
        stream=approval.promotion.version.registered_model.uri,
        actor=pen.actor,
        now=approval.signed_at,
        seal=pen.seal,
    )
    approval.save(force_insert=True)
    return approval
