"""Handing out a rollback grant: once, to the one who asked for it, and to nobody's database.

The worker has the grant key and the page has the person, so the token goes from one to the other
sealed for that page alone. What stays here is its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from audits.domain.actor import Actor
from audits.sealing import NotForThisReader, OneReader, seal_for
from audits.selectors import latest_checkpoint
from audits.services.signing import grant_signer
from muniment.grant import ROLLBACK_ALIAS, Grant, issue_grant
from registry.domain.rollback import RollbackEvent, RollbackStatus, next_rollback_status
from registry.errors import ReviewNotAllowed, RollbackNotPossible
from registry.models import RollbackGrant
from registry.services.execution import Progress
from registry.services.rollback_facts import state_rollback
from registry.services.rollback_reviews import APPROVE
from registry.services.rollbacks import lock_rollback, require_living, why_never_back
from registry.services.work import send_rollback

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Handout:
    """Somebody waits for the token of this rollback grant."""

    rollback_id: UUID
    reader: OneReader


@transaction.atomic(durable=True)
def await_token(*, rollback_id: UUID, actor: Actor, now: datetime) -> Handout:
    """Have the worker sign an approved rollback grant; `take_token` says what came of it.

    Raises:
        ReviewNotAllowed: the actor is not the one who asked for it.
        RollbackNotPossible: it is not approved, was handed out, has expired, or is no longer
            possible.
    """
    rollback = lock_rollback(rollback_id)
    if actor.id != str(rollback.requester_id):
        raise ReviewNotAllowed("A rollback grant is handed out to the person who asked for it.")
    if rollback.status == RollbackStatus.HANDED_OUT:
        raise RollbackNotPossible(
            "This rollback grant was handed out, which happens once. If it is lost, revoke it and "
            "ask for a new one."
        )
    _require_sound(rollback, now)
    if rollback.sealed_token is not None:  # for somebody who no longer waits
        rollback.sealed_token = None
        rollback.save(update_fields=["sealed_token"])
    handout = Handout(rollback.pk, OneReader())
    send_rollback(rollback.pk, handout.reader.address)
    return handout


def seal_token(*, rollback_id: UUID, reader: str, clock: Callable[[], datetime]) -> Progress:
    """Sign an approved rollback grant and leave its token for the reader who waits for it.

    No grant is given before its approvals stand under a signed checkpoint: `waiting`.
    """
    with transaction.atomic(durable=True):
        rollback = lock_rollback(rollback_id)
        try:
            _require_sound(rollback, clock())
        except RollbackNotPossible as refusal:
            logger.warning("rollback.not_sealed", rollback=str(rollback_id), why=str(refusal))
            return Progress.ENDED
        if not _is_under_checkpoint(rollback):
            return Progress.WAITING
        token = _token_of(rollback)
        rollback.token_sha256 = hashlib.sha256(token.encode()).hexdigest()
        rollback.sealed_token = seal_for(reader, token.encode())
        rollback.save(update_fields=["token_sha256", "sealed_token"])
    return Progress.ENDED


@transaction.atomic(durable=True)
def take_token(*, handout: Handout, actor: Actor, now: datetime) -> str | None:
    """Return the token that the worker left for this handout, once; None while there is none.

    From then on the rollback grant is handed out, and nobody gets its token again.

    Raises:
        RollbackNotPossible: it was handed out, revoked, or has expired meanwhile.
    """
    rollback = lock_rollback(handout.rollback_id)
    require_living(rollback, RollbackStatus.APPROVED, now)
    if rollback.sealed_token is None:
        return None
    try:
        token = handout.reader.open(bytes(rollback.sealed_token)).decode()
    except NotForThisReader:
        return None  # somebody else waits too; one of the two gets it
    rollback.status = next_rollback_status(
        RollbackStatus(rollback.status), RollbackEvent.HANDED_OUT
    )
    rollback.sealed_token, rollback.updated_at = None, now
    rollback.save(update_fields=["status", "sealed_token", "updated_at"])
    state_rollback(
        rollback=rollback,
        event=RollbackEvent.HANDED_OUT,
        detail={"token_sha256": rollback.token_sha256},
        actor=actor,
        now=now,
    )
    return token


def _require_sound(rollback: RollbackGrant, now: datetime) -> None:
    require_living(rollback, RollbackStatus.APPROVED, now)
    if fault := why_never_back(rollback.version, rollback.alias):
        raise RollbackNotPossible(fault)


def _is_under_checkpoint(rollback: RollbackGrant) -> bool:
    checkpoint = latest_checkpoint()
    tree_size = checkpoint.tree_size if checkpoint else 0
    signed = rollback.approvals.filter(verdict=APPROVE)
    return signed.filter(entry__leaf__leaf_index__lt=tree_size).count() == signed.count()


def _token_of(rollback: RollbackGrant) -> str:
    known = rollback.version.registered_model
    return issue_grant(
        Grant(
            grant_id=rollback.pk,
            source=known.source_id,
            model=known.name,
            version=str(rollback.version.version),
            operation=ROLLBACK_ALIAS,
            alias=rollback.alias,
            expires_at=rollback.expires_at,
            promotion_url=f"{settings.MUNIMENT_URL}/rollbacks/{rollback.pk}/",
            from_version=str(rollback.from_version.version),
        ),
        grant_signer(),
    )
