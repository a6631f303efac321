"""Executing a promotion: exactly once, whatever crashes where.

The alias in MLflow is read before anything is done and again before anything is concluded: what
it says decides, so that a worker or an MLflow server that dies between two steps leaves nothing
that the next attempt cannot settle.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog
from django.db import transaction

from audits.domain.actor import EXECUTOR
from audits.selectors import latest_checkpoint
from lineage.errors import MlflowRefused
from lineage.mlflow import MlflowClient
from registry.domain.emergency import Emergency
from registry.domain.promotion import PromotionEvent, PromotionStatus
from registry.models import Grant, Promotion
from registry.services.aliases import record_alias
from registry.services.artifacts import verify_artifacts
from registry.services.certificates import issue_certificate
from registry.services.decisions import NO_POLICY, decide_open_promotions, decide_promotion
from registry.services.evaluation import evaluate_version
from registry.services.grants import issue_token
from registry.services.locking import lock_promotion
from registry.services.rollbacks import why_never_back
from registry.services.stating import move_promotion

logger = structlog.get_logger(__name__)

# Refusals for this long after execution began are final.
GIVE_UP_AFTER = timedelta(minutes=5)


class Progress(StrEnum):
    """What an attempt came to; `waiting` asks for another one."""

    ENDED = "ended"
    WAITING = "waiting"


def execute_promotion(
    *, promotion_id: UUID, client: MlflowClient, clock: Callable[[], datetime]
) -> Progress:
    """Take an approved promotion one attempt further.

    Raises:
        MlflowUnavailable: MLflow did not answer; another attempt goes on from here.
    """
    promotion = _load(promotion_id)
    if promotion.status == PromotionStatus.APPROVED:
        if not approvals_are_sealed(promotion):
            return Progress.WAITING
        promotion = _start(promotion, clock)
    if promotion.status != PromotionStatus.EXECUTING:
        return Progress.ENDED
    known, version = promotion.version.registered_model, promotion.version
    if not _was_done(promotion, client):
        fault = _why_no_longer(promotion, client, clock)
        if fault:
            _fail(promotion, fault, now=clock())
            return Progress.ENDED
        token = issue_token(promotion=promotion, now=clock())
        if token is None:
            return Progress.WAITING
        try:
            client.set_alias(known.name, promotion.alias, version.version, grant=token)
        except MlflowRefused as error:
            # The store also refuses while it cannot reach us in time: that is not the end yet.
            if clock() - promotion.updated_at > GIVE_UP_AFTER:
                _fail(promotion, f"MLflow refused the change: {error}", now=clock())
                return Progress.ENDED
            logger.warning("promotion.attempt_refused", promotion=str(promotion.pk), why=str(error))
        if not _was_done(promotion, client):
            return Progress.WAITING
    _settle(promotion, now=clock())
    return Progress.ENDED


def approvals_are_sealed(promotion: Promotion) -> bool:
    """Say whether every approval that counts stands under a signed checkpoint."""
    checkpoint = latest_checkpoint()
    tree_size = checkpoint.tree_size if checkpoint else 0
    signed = (
        promotion.approvals.filter(dismissal__isnull=True),
        promotion.emergency_approvals.all(),
    )
    return all(
        standing.filter(entry__leaf__leaf_index__lt=tree_size).count() == standing.count()
        for standing in signed
    )


def _load(promotion_id: UUID) -> Promotion:
    return Promotion.objects.select_related("version__registered_model").get(pk=promotion_id)


def _start(promotion: Promotion, clock: Callable[[], datetime]) -> Promotion:
    """Begin, unless the decision no longer holds."""
    promotion = decide_promotion(promotion_id=promotion.pk, actor=EXECUTOR, now=clock())
    if promotion.status != PromotionStatus.APPROVED:
        return promotion
    with transaction.atomic(durable=True):
        locked = lock_promotion(promotion.pk)
        if locked.status != PromotionStatus.APPROVED:
            return locked
        grant = Grant.objects.filter(promotion=locked).exclude(status=Grant.Status.VOID).get()
        return move_promotion(
            promotion=locked,
            event=PromotionEvent.EXECUTION_STARTED,
            actor=EXECUTOR,
            now=clock(),
            predicate={"grant_id": str(grant.pk)},
        )


def _why_no_longer(
    promotion: Promotion, client: MlflowClient, clock: Callable[[], datetime]
) -> str:
    """Say why a grant must not be given any more; "" while what was decided still holds.

    Asked before every attempt: between two of them MLflow may have been away for hours, and an
    artifact store lets files be replaced at any time.
    """
    fault = (
        why_never_back(promotion.version, promotion.alias)
        if promotion.emergency == Emergency.ROLLBACK
        else _why_not_allowed(promotion, clock())
    )
    return fault or verify_artifacts(version=promotion.version, client=client, clock=clock)


def _why_not_allowed(promotion: Promotion, now: datetime) -> str:
    evaluation = evaluate_version(version=promotion.version, alias=promotion.alias, as_of=now)
    if evaluation.decision is None:
        return NO_POLICY
    if promotion.emergency:
        return " ".join(one.reason for one in evaluation.view.violations)
    if not evaluation.decision.allowed:
        return f"The policy no longer allows it: {evaluation.decision.reasons[0]}"
    return ""


def _was_done(promotion: Promotion, client: MlflowClient) -> bool:
    """Say whether the store confirmed the change, or the alias is where it should be.

    What was confirmed was done, whatever somebody has made of the alias since: the mirror tells.
    """
    if Grant.objects.filter(promotion=promotion, status=Grant.Status.CONFIRMED).exists():
        return True
    version = promotion.version
    found = client.get_alias(version.registered_model.name, promotion.alias)
    return found == version.version


def _settle(promotion: Promotion, *, now: datetime) -> None:
    with transaction.atomic(durable=True):
        locked = lock_promotion(promotion.pk)
        if locked.status != PromotionStatus.EXECUTING:
            return
        known = locked.version.registered_model
        record_alias(
            registered_model=known,
            alias=locked.alias,
            version=locked.version,
            actor=EXECUTOR,
            now=now,
        )
        Grant.objects.filter(
            promotion=locked, status__in=[Grant.Status.WRITTEN, Grant.Status.RESERVED]
        ).update(status=Grant.Status.CONFIRMED, settled_at=now)
        move_promotion(promotion=locked, event=PromotionEvent.EXECUTED, actor=EXECUTOR, now=now)
        issue_certificate(promotion=locked, actor=EXECUTOR, now=now)
        decide_open_promotions(registered_model=known, now=now)
    logger.info("promotion.executed", promotion=str(promotion.pk))


def _fail(promotion: Promotion, failure: str, *, now: datetime) -> None:
    with transaction.atomic(durable=True):
        locked = lock_promotion(promotion.pk)
        if locked.status != PromotionStatus.EXECUTING:
            return
        Grant.objects.filter(promotion=locked).exclude(status=Grant.Status.CONFIRMED).update(
            status=Grant.Status.VOID, settled_at=now
        )
        locked.failure = failure[:2000]
        move_promotion(promotion=locked, event=PromotionEvent.FAILED, actor=EXECUTOR, now=now)
    logger.error("promotion.failed", promotion=str(promotion.pk), failure=failure)
