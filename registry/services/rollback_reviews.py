"""Signed verdicts on rollback grants: before one is given, and on the use of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.services.notices import settle_notice
from accounts.services.people import reauthenticate
from audits.domain.actor import Actor
from audits.services.disclosures import commit_person, commit_text
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
from registry.services.text import require_plain_text
from registry.services.violations import find_violation, record_violation, refresh_alarm

APPROVE, REFUSE, ACCEPT, REJECT = "approve", "refuse", "accept", "reject"
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
    password: str,
    actor: Actor,
    now: datetime,
) -> RollbackGrant:
    """Sign or refuse a rollback grant, after re-authentication.

    It is approved when as many people have signed as the model's policy asks for a promotion, in
    its roles and distinct from whom it says; one refusal ends it.

    Raises:
        RoleRequired, ReviewNotAllowed: this person may not review it.
        ReauthenticationFailed, SigningLocked: the password is wrong; nothing was signed.
        RollbackNotPossible: it is not open, or no longer possible.
        InvalidRequest: an unknown verdict, or a refusal without a reason.
    """
    actor.require_role("review a rollback grant", "reviewer")
    if verdict not in (APPROVE, REFUSE):
        raise InvalidRequest("Choose whether you approve or refuse.")
    needed = "Give the reason for which you refuse." if verdict == REFUSE else ""
    reason = _reason(reason, needed)
    # Before the transaction: a wrong password is counted even though nothing is signed.
    reauthenticate(user=User.objects.get(pk=actor.id), password=password, now=now)
    with transaction.atomic(durable=True):
        rollback = lock_rollback(rollback_id)
        require_living(rollback, RollbackStatus.REQUESTED, now)
        refusal = why_not_sign(rollback, actor)
        if refusal is not None:
            raise ReviewNotAllowed(refusal.reason)
        if verdict == APPROVE and (fault := why_never_back(rollback.version, rollback.alias)):
            raise RollbackNotPossible(fault)
        event = RollbackEvent.APPROVED if verdict == APPROVE else RollbackEvent.REFUSED
        given = _standing(rollback) + (verdict == APPROVE)
        if verdict == REFUSE or given >= signatures_needed(rollback.version):
            rollback.status = next_rollback_status(RollbackStatus(rollback.status), event)
            settle_notice(dedup_key=notice_key(rollback), now=now)
        rollback.updated_at = now
        rollback.save(update_fields=["status", "updated_at"])
        _add_signature(rollback, event, verdict, reason, actor=actor, now=now)
        return rollback


def review_rollback(
    *,
    rollback_id: UUID,
    verdict: str,
    reason: str,
    password: str,
    actor: Actor,
    now: datetime,
) -> RollbackGrant:
    """Sign what is thought of a use of a rollback grant, after re-authentication.

    Accepted, it is over. Rejected, the move is a violation from now on, which is undone where the
    alias still stands, or answered for, as any other.

    Raises:
        RoleRequired, ReviewNotAllowed: this person may not review it.
        ReauthenticationFailed, SigningLocked: the password is wrong; nothing was signed.
        RollbackNotPossible: it was not used, or its use was reviewed before.
        InvalidRequest: an unknown verdict, or no reason.
    """
    actor.require_role("review the use of a rollback grant", "reviewer")
    if verdict not in (ACCEPT, REJECT):
        raise InvalidRequest("Choose whether you accept or reject.")
    reason = _reason(reason, "Give the reason: what happened, and why this was right or wrong.")
    reauthenticate(user=User.objects.get(pk=actor.id), password=password, now=now)
    with transaction.atomic(durable=True):
        rollback = lock_rollback(rollback_id)
        if rollback.status != RollbackStatus.USED:
            raise RollbackNotPossible(
                f"This rollback grant is {words_of(rollback)}: there is no use to review."
            )
        refusal = why_not_review_use(rollback, actor)
        if refusal is not None:
            raise ReviewNotAllowed(refusal.reason)
        event = RollbackEvent.ACCEPTED if verdict == ACCEPT else RollbackEvent.REJECTED
        rollback.status = next_rollback_status(RollbackStatus(rollback.status), event)
        rollback.updated_at = now
        rollback.save(update_fields=["status", "updated_at"])
        if verdict == ACCEPT:
            _add_signature(rollback, event, verdict, reason, actor=actor, now=now)
        else:
            _reject(rollback, reason, actor=actor, now=now)
        refresh_rollback_alarm(now=now)
        return rollback


def why_not_sign(rollback: RollbackGrant, actor: Actor) -> Ineligibility | None:
    """Say why this person may not sign this rollback grant; None when they may."""
    signed = rollback.approvals.filter(verdict__in=[APPROVE, REFUSE])
    return _why_not(rollback, actor, [str(pk) for pk in signed.values_list("person_id", flat=True)])


def why_not_review_use(rollback: RollbackGrant, actor: Actor) -> Ineligibility | None:
    """Say why this person may not review the use of this rollback grant; None when they may.

    Who signed it beforehand may: their signature allowed what is seen now.
    """
    return _why_not(rollback, actor, [])


def _reject(rollback: RollbackGrant, reason: str, *, actor: Actor, now: datetime) -> None:
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
        actor=actor,
        now=now,
        more={"detail": found.detail, "is_move": True, "is_violation": True},
    )
    # An alias that has moved on is not brought back to where this move began.
    if alias_holder(known, rollback.alias) == version:
        record_violation(found=found, entry=signed.entry, now=now)
        refresh_alarm(now=now)


def _add_signature(
    rollback: RollbackGrant,
    event: RollbackEvent,
    verdict: str,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
    more: Mapping[str, Any] | None = None,
) -> RollbackApproval:
    person = User.objects.get(pk=actor.id)
    role = next(role for role in approval_rule(rollback.version).roles if role in actor.roles)
    said = dict(more or {})
    detail = {
        "verdict": verdict,
        "meaning": MEANINGS[verdict],
        "role": role,
        "person": {
            "id": str(person.pk),
            "commitment": commit_person(
                person_id=person.pk, printed_name=person.printed_name, role=role
            ),
        },
        "reason_commitment": commit_text(person_id=person.pk, text=reason) if reason else None,
        **said.pop("detail", {}),
    }
    entry = state_rollback(
        rollback=rollback, event=event, detail=detail, actor=actor, now=now, **said
    )
    return RollbackApproval.objects.create(
        rollback=rollback,
        person=person,
        requester_id=rollback.requester_id,
        verdict=verdict,
        signed_at=now,
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
