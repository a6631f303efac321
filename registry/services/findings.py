"""Findings: raised by a reviewer as a condition, answered by their owner, closed by a reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from accounts.models import NoticeKind, User
from accounts.services.notices import post_notice
from audits.domain.actor import Actor
from audits.models import LogEntry
from audits.services.disclosures import commit_text
from audits.services.log import Seal, lock_stream
from muniment.attest.statement import format_time
from registry.domain.findings import ANSWERED, CLOSED, MAX_DAYS, RAISED, Severity
from registry.domain.promotion import PromotionStatus
from registry.errors import FindingNotPossible, InvalidRequest, PromotionClosed, ReviewNotAllowed
from registry.models import FindingAnswer, FindingClosure, ModelVersion, ReviewFinding
from registry.services.approvals import why_not
from registry.services.decisions import decide_open_promotions
from registry.services.evaluation import evaluate_version
from registry.services.facts import state_registry_event
from registry.services.locking import lock_promotion
from registry.services.signature_strength import least_for, least_signature, require_least
from registry.services.signing import Means, Pen, sign
from registry.services.text import require_plain_text

MEANINGS: Final = {
    RAISED: "My approval is given under the condition that this is put right by then.",
    CLOSED: "I have looked at it again: this was put right.",
}
MAX_TEXT: Final = 4000
RAISING: Final = "raise a finding"


def raise_finding(
    *,
    promotion_id: UUID,
    severity: str,
    text: str,
    owner_id: str,
    due_at: datetime,
    means: Means,
    actor: Actor,
    now: datetime,
) -> ReviewFinding:
    """Sign a condition of a promotion in review, after re-authentication; its owner is told.

    It denies nothing until it is due. Open after that, the version passes no gate.

    Raises:
        As `sign`, and
        ReviewNotAllowed: this person may not review the promotion.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        PromotionClosed: it is not in review.
        InvalidRequest: an unknown severity, no text, an owner who is nobody or the reviewer, or a
            day that is past or too far away.
    """
    actor.require_role(RAISING, "reviewer")
    text = _text(text, "Say what has to be put right.")
    if severity not in list(Severity):
        raise InvalidRequest("Choose how severe the finding is.")
    if not now < due_at <= now + timedelta(days=MAX_DAYS):
        raise InvalidRequest(f"Give a day by when, within {MAX_DAYS} days.")
    wanted = _uuid(owner_id)
    owner = User.objects.filter(is_active=True, pk=wanted).first() if wanted else None
    if owner is None or not owner.roles or str(owner.pk) == actor.id:
        raise InvalidRequest("Choose somebody else, who puts it right.")

    def write(pen: Pen) -> ReviewFinding:
        promotion = lock_promotion(promotion_id)
        if promotion.status != PromotionStatus.IN_REVIEW:
            words = promotion.status.replace("_", " ")
            raise PromotionClosed(f"This promotion is not in review: it is {words}.")
        evaluation = evaluate_version(
            version=promotion.version, alias=promotion.alias, as_of=pen.now
        )
        refusal = why_not(evaluation, pen.actor)
        if refusal is not None and refusal.code != "already_signed":
            raise ReviewNotAllowed(refusal.reason)
        require_least(pen.method, least_signature(evaluation.binding, promotion))
        finding = ReviewFinding(
            id=pen.new_id(),
            promotion=promotion,
            version=promotion.version,
            severity=severity,
            text_commitment=pen.commit_text(text),
            raised_by=pen.person,
            owner=owner,
            due_at=due_at,
            raised_at=pen.at,
        )
        detail = {
            "severity": severity,
            "due_at": format_time(due_at),
            "owner": str(owner.pk),
            "reason_commitment": finding.text_commitment,
            "meaning": MEANINGS[RAISED],
            **pen.signer("reviewer"),
        }
        finding.entry = _state(RAISED, finding, detail, actor=pen.actor, now=pen.at, seal=pen.seal)
        finding.save(force_insert=True)
        _tell(finding, "An approval depends on something that you put right.", owner.pk, pen.now)
        return finding

    return sign(
        write,
        operation=RAISING,
        roles=("reviewer",),
        about=f"finding of {promotion_id}",
        means=means,
        actor=actor,
        now=now,
    )


@transaction.atomic(durable=True)
def answer_finding(*, finding_id: UUID, text: str, actor: Actor, now: datetime) -> FindingAnswer:
    """Say what was done about a finding; its owner alone may. The reviewer who raised it is told.

    Raises:
        FindingNotPossible: there is none, or it is closed.
        ReviewNotAllowed: the actor is not its owner.
        InvalidRequest: no text.
    """
    text = _text(text, "Say what was done.")
    finding = _lock_open(finding_id)
    if actor.id != str(finding.owner_id):
        raise ReviewNotAllowed("Only its owner answers a finding.")
    commitment = commit_text(person_id=UUID(actor.id), text=text)
    entry = _state(ANSWERED, finding, {"reason_commitment": commitment}, actor=actor, now=now)
    _tell(finding, "A finding of yours was answered.", finding.raised_by_id, now)
    return FindingAnswer.objects.create(
        finding=finding, text_commitment=commitment, at=now, entry=entry
    )


def close_finding(*, finding_id: UUID, means: Means, actor: Actor, now: datetime) -> FindingClosure:
    """Sign that a finding was put right, after re-authentication; what is open is decided again.

    Raises:
        As `sign`, and
        FindingNotPossible: there is none, it is closed, or its owner has not answered.
        ReviewNotAllowed: the actor owns it, or asked for the version or trained it.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
    """

    def write(pen: Pen) -> FindingClosure:
        finding = _lock_open(finding_id)
        known = finding.version.registered_model
        require_least(pen.method, least_for(known))
        if pen.actor.id == str(finding.owner_id):
            raise ReviewNotAllowed("You own this finding, and nobody confirms their own work.")
        promotion = finding.promotion
        if pen.actor.id in (str(promotion.requester_id), str(promotion.trainer_id)):
            raise ReviewNotAllowed(
                "You asked for this version or trained it, and nobody confirms what was found in "
                "their own work."
            )
        if not finding.answers.exists():
            raise FindingNotPossible("Its owner has not said yet what was done.")
        detail = {"meaning": MEANINGS[CLOSED], **pen.signer("reviewer")}
        entry = _state(CLOSED, finding, detail, actor=pen.actor, now=pen.at, seal=pen.seal)
        closure = FindingClosure.objects.create(
            finding=finding,
            person=pen.person,
            owner_id=finding.owner_id,
            at=pen.at,
            entry=entry,
        )
        decide_open_promotions(registered_model=known, now=pen.now)
        return closure

    return sign(
        write,
        operation="close a finding",
        roles=("reviewer",),
        about=f"closing of {finding_id}",
        means=means,
        actor=actor,
        now=now,
    )


def _lock_open(finding_id: UUID) -> ReviewFinding:
    finding = (
        ReviewFinding.objects.select_related("version__registered_model", "entry", "promotion")
        .filter(pk=finding_id)
        .first()
    )
    if finding is None:
        raise FindingNotPossible("There is no such finding.")
    lock_stream(finding.version.registered_model.uri)
    if FindingClosure.objects.filter(finding=finding).exists():
        raise FindingNotPossible("This finding is closed.")
    return finding


def _state(
    event: str,
    finding: ReviewFinding,
    detail: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
    seal: Seal | None = None,
) -> LogEntry:
    version: ModelVersion = finding.version
    # Its own statement has no digest before it is written.
    named = {} if event == RAISED else {"finding": finding.entry.sha256}
    return state_registry_event(
        event=event,
        registered_model=version.registered_model,
        version=version,
        before=None,
        after=None,
        detail={
            "finding_id": str(finding.pk),
            "promotion_id": str(finding.promotion_id),
            **named,
            **detail,
        },
        seal=seal,
        actor=actor,
        now=now,
    )


def _tell(finding: ReviewFinding, subject: str, person: UUID, now: datetime) -> None:
    version = finding.version
    post_notice(
        kind=NoticeKind.REVIEW,
        subject=subject,
        text=f"{version.registered_model.name} version {version.version}, severity "
        f"{finding.severity}, due before {finding.due_at:%Y-%m-%d}.",
        path=f"/promotions/{finding.promotion_id}/#findings",
        people=[person],
        dedup_key=f"finding:{finding.pk}:{person}:{now.isoformat()}",
        now=now,
    )


def _text(text: str, needed: str) -> str:
    text = text.strip()
    if not text:
        raise InvalidRequest(needed)
    require_plain_text("text", text, MAX_TEXT)
    return text


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
