"""Reviews: the one service that signs, for the page and for everything else."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from accounts.domain.signature import SignatureMethod
from accounts.models import Ceremony, Credential, User
from accounts.selectors import credentials_that_sign
from accounts.services.ceremonies import begin_ceremony, end_ceremony, find_ceremony
from accounts.services.passkeys import check_assertion, request_options
from accounts.services.people import reauthenticate
from accounts.services.signing_power import require_signing_power
from audits.domain.actor import Actor
from audits.services.log import append_statement, predicate_type
from registry.domain.approvals import WORDS
from registry.domain.promotion import PromotionStatus
from registry.domain.separation import Ineligibility, why_not_review
from registry.domain.words import ReviewVerdict
from registry.errors import (
    AlreadySigned,
    EvidenceChanged,
    PromotionClosed,
    ReviewNotAllowed,
    SignatureTooWeak,
)
from registry.models import Approval, Promotion
from registry.services.decisions import decide_promotion
from registry.services.evaluation import Evaluation, evaluate_version
from registry.services.locking import lock_promotion
from registry.services.policies import document_of
from registry.services.review_draft import (
    Fixed,
    PasskeyAnswer,
    ReviewDraft,
    draft_review,
    keep_disclosures,
    read_words,
)
from registry.services.review_notices import tell_of_changes
from registry.services.signature_strength import least_signature


def sign_review(
    *,
    promotion_id: UUID,
    verdict: str,
    reason: str,
    meaning: str,
    evidence_digest: str,
    password: str = "",
    code: str = "",
    passkey: PasskeyAnswer | None = None,
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
        code: a one-time code beside the password; empty for none.
        passkey: what a passkey signed of what `prepare_review` made of these same words, in place
            of the password, which was asked for there.

    Raises:
        RoleRequired, ReviewNotAllowed: this person may not review this promotion.
        NoSigningPowerYet: their role or a credential of theirs is too new.
        AlreadySigned: they have signed this evidence.
        ReauthenticationFailed, SigningLocked: the password, the code or the passkey is wrong;
            nothing was signed.
        CeremonyOver: nothing was prepared in this session within five minutes.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        EvidenceChanged: the evidence is no longer what was shown; nothing was signed.
        PromotionClosed: it is not in review.
        InvalidRequest: an unknown verdict, a text that is too long, or a refusal without a reason.
    """
    actor.require_role("review a promotion", "reviewer")
    words = read_words(verdict=verdict, reason=reason, meaning=meaning)
    person = User.objects.get(pk=actor.id)
    ceremony: Ceremony | None = None
    signed: tuple[Credential, Any] | None = None
    # Before the transaction: what is wrong is counted even though nothing is signed.
    if passkey is None:
        shown = reauthenticate(user=person, password=password, code=code, now=now)
    else:
        # Asked when it was prepared, and again: a key may have been enrolled since.
        require_signing_power(person, now)
        ceremony = find_ceremony(
            person=person, session=passkey.session, about=str(promotion_id), now=now
        )
        challenge = bytes.fromhex(ceremony.challenge)
        signed = check_assertion(person=person, challenge=challenge, answer=passkey.answer, now=now)
        shown = SignatureMethod.PASSKEY
    with transaction.atomic(durable=True):
        promotion = lock_promotion(promotion_id)
        now = _now_under_lock(promotion, now)
        evaluation = _require_reviewable(promotion, evidence_digest, actor, now)
        _require_strong_enough(evaluation, shown)
        draft = draft_review(
            promotion=promotion,
            person=person,
            words=words,
            evaluation=evaluation,
            signature=shown,
            fixed=Fixed.of(ceremony) if ceremony else Fixed.now(now),
            actor=actor,
        )
        assertion = None
        if ceremony is not None and signed is not None:
            assertion = _require_signed(draft, ceremony, *signed)
        _require_not_taken_back(draft.approval)
        approval = _sign(draft, assertion, actor=actor)
        if approval.verdict == ReviewVerdict.REQUEST_CHANGES.value:
            tell_of_changes(promotion, approval.pk, now)
        return decide_promotion(promotion_id=promotion.pk, actor=actor, now=now)


def prepare_review(
    *,
    promotion_id: UUID,
    verdict: str,
    reason: str,
    meaning: str,
    evidence_digest: str,
    password: str,
    session: str,
    actor: Actor,
    now: datetime,
) -> dict[str, Any]:
    """Make the statement that a passkey is to sign, after the password; sign nothing.

    Its time is now, and it can be signed for five minutes, in the same session, in exactly these
    words.

    Returns:
        What the browser is asked (`navigator.credentials.get`), as JSON.

    Raises:
        As `sign_review`, and ReviewNotAllowed where the person has no passkey.
    """
    actor.require_role("review a promotion", "reviewer")
    words = read_words(verdict=verdict, reason=reason, meaning=meaning)
    person = User.objects.get(pk=actor.id)
    reauthenticate(user=person, password=password, now=now)
    if not credentials_that_sign(person, now).filter(kind=Credential.Kind.PASSKEY).exists():
        raise ReviewNotAllowed(
            "You have no passkey that signs already. Under “Your credentials” you enrol one, or "
            "see what one of yours waits for."
        )
    with transaction.atomic(durable=True):
        promotion = lock_promotion(promotion_id)
        now = _now_under_lock(promotion, now)
        evaluation = _require_reviewable(promotion, evidence_digest, actor, now)
        decided = promotion.decisions.select_related("entry").order_by("-entry_id").first()
        fixed = Fixed.now(now, decision_digest=decided.entry.sha256 if decided else "")
        draft = draft_review(
            promotion=promotion,
            person=person,
            words=words,
            evaluation=evaluation,
            signature=SignatureMethod.PASSKEY,
            fixed=fixed,
            actor=actor,
        )
        begin_ceremony(
            person=person,
            session=session,
            about=str(promotion_id),
            challenge=draft.challenge,
            draft=fixed.to_mapping(),
            now=now,
        )
    return request_options(person=person, challenge=draft.challenge, now=now)


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


def _require_strong_enough(evaluation: Evaluation, shown: SignatureMethod) -> None:
    least = least_signature(evaluation.binding, evaluation.promotion)
    if not shown.reaches(least):
        who = (
            "An emergency"
            if evaluation.promotion and evaluation.promotion.emergency
            else "The policy"
        )
        raise SignatureTooWeak(
            f"{who} asks for a signature by {WORDS[least]}, so nothing was signed. What you "
            "sign with is enrolled under “Your credentials”."
        )


def _require_signed(
    draft: ReviewDraft, ceremony: Ceremony, credential: Credential, assertion: dict[str, str]
) -> dict[str, str]:
    """Accept the assertion for this statement alone; the ceremony ends with it."""
    if draft.challenge.hex() != ceremony.challenge:
        raise EvidenceChanged(
            "What your passkey signed is not what would be recorded now, so nothing was signed. "
            "Read the promotion again and sign what it shows now."
        )
    # A removal that comes first has won; one that comes later stands later in the log.
    if not Credential.objects.select_for_update(no_key=True).filter(pk=credential.pk).exists():
        raise EvidenceChanged("This passkey was removed, so nothing was signed.")
    end_ceremony(ceremony)
    return assertion


def _sign(draft: ReviewDraft, assertion: dict[str, str] | None, *, actor: Actor) -> Approval:
    approval = draft.approval
    keep_disclosures(draft)
    approval.entry = append_statement(
        event=draft.event,
        predicate_type=predicate_type("approval"),
        subject_name=draft.subject.name,
        subject_digest=draft.subject.digest,
        predicate=draft.predicate | ({"passkey": assertion} if assertion else {}),
        stream=approval.promotion.version.registered_model.uri,
        actor=actor,
        now=approval.signed_at,
    )
    approval.save(force_insert=True)
    return approval
