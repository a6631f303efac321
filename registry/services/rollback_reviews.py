"""Signed verdicts on rollback grants: before one is given, and on the use of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.services.notices import settle_notice
from audits.domain.actor import Actor
from registry.domain.mirror import ChangeKind
from registry.domain.rollback import RollbackEvent, RollbackStatus, next_rollback_status
from registry.domain.separation import Ineligibility, why_not_review
from registry.errors import InvalidRequest, ReviewNotAllowed, RollbackNotPossible
from registry.models import RollbackApproval, RollbackGrant
from registry.services.decisions import alias_holder
from registry.services.rollback_facts import state_rollback, words_of
from registry.services.rollback_uses import refresh_rollback_alarm
from registry.services.rollbacks import (
    MAX_NOTE,
    approval_rule,
    lock_rollback,
    notice_key,
    require_living,
    signatures_needed,
    trainer_now,
    why_never_back,
)
from registry.services.signature_strength import require_least
from registry.services.signing import Means, Pen, sign
from registry.services.text import require_plain_text
from registry.services.violations import find_violation, record_violation, refresh_alarm

APPROVE, REFUSE, ACCEPT, REJECT = "approve", "refuse", "accept", "reject"
SIGNING, REVIEWING = "review a rollback grant", "review the use of a rollback grant"
MEANINGS: Mapping[str, str] = {
    APPROVE: "I approve that this alias may be put back once, while Muniment is down.",
    REFUSE: "I refuse this rollback grant.",
    ACCEPT: "I have reviewed this use of the rollback grant and accept it.",
    REJECT: "I have reviewed this use of the rollback grant and reject it.",
}


def sign_rollback(
    *,
    rollback_id: UUID,
    verdict: str,
    reason: str,
    means: Means,
    actor: Actor,
    now: datetime,
) -> RollbackGrant:
    """Sign or refuse a rollback grant, after re-authentication.

    It is approved when as many people have signed as the model's policy asks for a promotion, in
    its roles and distinct from whom it says; one refusal ends it.

    Raises:
        As `sign`, and
        ReviewNotAllowed: this person may not review it.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        RollbackNotPossible: it is not open, or no longer possible.
        InvalidRequest: an unknown verdict, or a refusal without a reason.
    """
    actor.require_role(SIGNING, "reviewer")
    if verdict not in (APPROVE, REFUSE):
        raise InvalidRequest("Choose whether you approve or refuse.")
    needed = "Give the reason for which you refuse." if verdict == REFUSE else ""
    reason = _reason(reason, needed)

    def write(pen: Pen) -> RollbackGrant:
        rollback = lock_rollback(rollback_id)
        require_living(rollback, RollbackStatus.REQUESTED, pen.now)
        refusal = why_not_sign(rollback, pen.actor)
        if refusal is not None:
            raise ReviewNotAllowed(refusal.reason)
        require_least(pen.method, approval_rule(rollback.version).signature)
        if verdict == APPROVE and (fault := why_never_back(rollback.version, rollback.alias)):
            raise RollbackNotPossible(fault)
        event = RollbackEvent.APPROVED if verdict == APPROVE else RollbackEvent.REFUSED
        given = _standing(rollback) + (verdict == APPROVE)
        if verdict == REFUSE or given >= signatures_needed(rollback.version):
            rollback.status = next_rollback_status(RollbackStatus(rollback.status), event)
            settle_notice(dedup_key=notice_key(rollback), now=pen.now)
        rollback.updated_at = pen.now
        rollback.save(update_fields=["status", "updated_at"])
        _add_signature(rollback, event, verdict, reason, pen=pen)
        return rollback

    return sign(
        write,
        operation=SIGNING,
        roles=("reviewer",),
        about=f"rollback:{rollback_id}",
        means=means,
        actor=actor,
        now=now,
    )


def review_rollback(
    *,
    rollback_id: UUID,
    verdict: str,
    reason: str,
    means: Means,
    actor: Actor,
    now: datetime,
) -> RollbackGrant:
    """Sign what is thought of a use of a rollback grant, after re-authentication.

    Accepted, it is over. Rejected, the move is a violation from now on, which is undone where the
    alias still stands, or answered for, as any other.

    Raises:
        As `sign`, and
        ReviewNotAllowed: this person may not review it.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        RollbackNotPossible: it was not used, or its use was reviewed before.
        InvalidRequest: an unknown verdict, or no reason.
    """
    actor.require_role(REVIEWING, "reviewer")
    if verdict not in (ACCEPT, REJECT):
        raise InvalidRequest("Choose whether you accept or reject.")
    reason = _reason(reason, "Give the reason: what happened, and why this was right or wrong.")

    def write(pen: Pen) -> RollbackGrant:
        rollback = lock_rollback(rollback_id)
        if rollback.status != RollbackStatus.USED:
            raise RollbackNotPossible(
                f"This rollback grant is {words_of(rollback)}: there is no use to review."
            )
        refusal = why_not_review_use(rollback, pen.actor)
        if refusal is not None:
            raise ReviewNotAllowed(refusal.reason)
        require_least(pen.method, approval_rule(rollback.version).signature)
        event = RollbackEvent.ACCEPTED if verdict == ACCEPT else RollbackEvent.REJECTED
        rollback.status = next_rollback_status(RollbackStatus(rollback.status), event)
        rollback.updated_at = pen.now
        rollback.save(update_fields=["status", "updated_at"])
        if verdict == ACCEPT:
            _add_signature(rollback, event, verdict, reason, pen=pen)
        else:
            _reject(rollback, reason, pen)
        refresh_rollback_alarm(now=pen.now)
        return rollback

    return sign(
        write,
        operation=REVIEWING,
        roles=("reviewer",),
        about=f"use of rollback:{rollback_id}",
        means=means,
        actor=actor,
        now=now,
    )


def why_not_sign(rollback: RollbackGrant, actor: Actor) -> Ineligibility | None:
    """Say why this person may not sign this rollback grant; None when they may."""
    signed = rollback.approvals.filter(verdict__in=[APPROVE, REFUSE])
    return _why_not(rollback, actor, [str(pk) for pk in signed.values_list("person_id", flat=True)])


def why_not_review_use(rollback: RollbackGrant, actor: Actor) -> Ineligibility | None:
    """Say why this person may not review the use of this rollback grant; None when they may.

    Who signed it beforehand may: their signature allowed what is seen now.
    """
    return _why_not(rollback, actor, [])


def _reject(rollback: RollbackGrant, reason: str, pen: Pen) -> None:
    version, origin = rollback.version, rollback.from_version
    known = version.registered_model
    found = find_violation(
        event=ChangeKind.ALIAS_MOVED.value,
        registered_model=known,
        version=version,
        before={"version": origin.version},
        after={"version": version.version},
        alias=rollback.alias,
    )
    signed = _add_signature(
        rollback,
        RollbackEvent.REJECTED,
        REJECT,
        reason,
        pen=pen,
        more={"detail": found.detail, "is_move": True, "is_violation": True},
    )
    # An alias that has moved on is not brought back to where this move began.
    if alias_holder(known, rollback.alias) == version:
        record_violation(found=found, entry=signed.entry, now=pen.now)
        refresh_alarm(now=pen.now)


def _add_signature(
    rollback: RollbackGrant,
    event: RollbackEvent,
    verdict: str,
    reason: str,
    *,
    pen: Pen,
    more: Mapping[str, Any] | None = None,
) -> RollbackApproval:
    roles = approval_rule(rollback.version).roles
    said = dict(more or {})
    detail = {
        "verdict": verdict,
        "meaning": MEANINGS[verdict],
        **pen.signer(next(role for role in roles if role in pen.actor.roles)),
        "reason_commitment": pen.commit_text(reason) if reason else None,
        **said.pop("detail", {}),
    }
    entry = state_rollback(
        rollback=rollback,
        event=event,
        detail=detail,
        seal=pen.seal,
        actor=pen.actor,
        now=pen.at,
        **said,
    )
    return RollbackApproval.objects.create(
        rollback=rollback,
        person=pen.person,
        requester_id=rollback.requester_id,
        verdict=verdict,
        signed_at=pen.at,
        entry=entry,
    )


def _standing(rollback: RollbackGrant) -> int:
    """Count who approved, without somebody who turned out to have trained the version."""
    given = rollback.approvals.filter(verdict=APPROVE)
    if "trainer" in approval_rule(rollback.version).distinct_from:
        trainer = trainer_now(rollback.version, rollback.alias)
        given = given.exclude(person=trainer) if trainer else given
    return given.count()


def _why_not(rollback: RollbackGrant, actor: Actor, signed_by: list[str]) -> Ineligibility | None:
    trainer = trainer_now(rollback.version, rollback.alias)
    return why_not_review(
        rule=approval_rule(rollback.version),
        person=actor.id,
        roles=actor.roles,
        requester=str(rollback.requester_id),
        trainer=str(trainer) if trainer else None,
        already_signed_by=signed_by,
    )


def _reason(reason: str, needed: str) -> str:
    reason = reason.strip()
    if needed and not reason:
        raise InvalidRequest(needed)
    require_plain_text("reason", reason, MAX_NOTE)
    return reason
