"""Recomputing a version: ordered by people, by a gate or on schedule; done by a worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog
from django.db import transaction

from audits.domain.actor import RECOMPUTER, Actor
from lineage.domain.recomputation import RecomputationStatus
from lineage.errors import ArtifactMissing, MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.models import LineageRecord, Recomputation
from lineage.recompute.order import RecomputationOrder, Recomputed
from lineage.services.recomputation_lease import Lease, keep_lease
from lineage.services.recomputations import (
    MAX_ATTEMPTS,
    cancel_recomputation,
    claim_recomputation,
    lost_recomputations,
    open_recomputation,
    put_back,
)
from registry.errors import (
    InvalidRequest,
    RecomputationClosed,
    RecomputationNotPossible,
    RecomputationOpen,
)
from registry.models import ModelVersion
from registry.services.decisions import GONE, decide_open_promotions
from registry.services.recomputation_results import record_failure, record_result
from registry.services.recompute_order import NotRecorded, not_recorded, order_of
from registry.services.work import send_recomputation

logger = structlog.get_logger(__name__)

ROLES = ("engineer", "reviewer", "admin")
MAX_REPEATS = 10
_LOST = "its worker was lost"
# Trying again gives the same.
FINAL = (ArtifactMissing,)


class Recomputing(Protocol):
    """Trains a version again and compares: `lineage.recompute.recomputing.recompute`, tools given.

    What it raises is no verdict: it may pass by itself, and is tried again.
    """

    def __call__(
        self,
        order: RecomputationOrder,
        *,
        report_step: Callable[[str], None],
        on_output: Callable[[bytes], None],
        cancelled: Callable[[], bool],
    ) -> Recomputed: ...


@transaction.atomic(durable=True)
def request_recomputation(
    *,
    version: ModelVersion,
    repeats: int = 1,
    negative_control: bool = True,
    actor: Actor,
    now: datetime,
) -> Recomputation:
    """Order that a version is trained again from its lineage record; a worker takes it up.

    Args:
        repeats: how often it is trained, 1 to 10; more than once shows the run-to-run spread.
        negative_control: train once more with permuted labels.

    Raises:
        RoleRequired: the actor is neither engineer, reviewer nor admin.
        RecomputationNotPossible: the version is gone, or has no lineage record yet.
        RecomputationOpen: it is being recomputed already.
        InvalidRequest: `repeats` is out of bounds.
    """
    actor.require_role("order a recomputation", *ROLES)
    if version.gone_at is not None:
        raise RecomputationNotPossible(GONE)
    if not 1 <= repeats <= MAX_REPEATS:
        raise InvalidRequest(f"A version is trained again 1 to {MAX_REPEATS} times.")
    recomputation, is_new = order_recomputation(
        version=version,
        repeats=repeats,
        negative_control=negative_control,
        requested_by=UUID(actor.id),
        actor=actor,
        now=now,
    )
    if not is_new:
        raise RecomputationOpen(
            f"Version {version.version} is being recomputed already: it is "
            f"{recomputation.status}. Wait for its verdict, or cancel it first."
        )
    return recomputation


def order_recomputation(
    *,
    version: ModelVersion,
    repeats: int = 1,
    negative_control: bool = True,
    requested_by: UUID | None,
    actor: Actor,
    now: datetime,
) -> tuple[Recomputation, bool]:
    """Return the open recomputation of a version, and whether it was ordered now.

    Raises:
        RecomputationNotPossible: it has no lineage record yet.
    """
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        raise RecomputationNotPossible(
            f"Version {version.version} has no lineage record yet, so there is nothing to train "
            "it from. Wait until its lineage is recorded, and order it again."
        )
    recomputation, is_new = open_recomputation(
        record=record,
        repeats=repeats,
        negative_control=negative_control,
        requested_by=requested_by,
        actor=actor,
        now=now,
    )
    if is_new:
        send_recomputation(recomputation)
    return recomputation, is_new


@transaction.atomic(durable=True)
def stop_recomputation(*, recomputation_id: UUID, actor: Actor, now: datetime) -> Recomputation:
    """Cancel an open recomputation; promotions that waited for it are decided without.

    Raises:
        RoleRequired: the actor is neither engineer, reviewer nor admin.
        RecomputationClosed: it has ended.
    """
    actor.require_role("cancel a recomputation", *ROLES)
    if not cancel_recomputation(recomputation_id=recomputation_id, actor=actor, now=now):
        status = Recomputation.objects.values_list("status", flat=True).get(pk=recomputation_id)
        raise RecomputationClosed(f"This recomputation has ended: it is {status}.")
    recomputation = Recomputation.objects.select_related("record").get(pk=recomputation_id)
    version = _version_of(recomputation)
    decide_open_promotions(registered_model=version.registered_model, now=now)
    return recomputation


def perform_recomputation(
    *,
    recomputation_id: UUID,
    client: MlflowClient,
    compute: Recomputing,
    concurrency: int,
    clock: Callable[[], datetime],
) -> None:
    """Recompute a version, if it is its turn; the verdict becomes evidence.

    Nothing is recorded of one that was cancelled meanwhile, or taken up by another worker.

    Raises:
        MlflowUnavailable: MLflow did not answer; it is queued again.
        Exception: whatever `compute` raised; it is queued again, three times in all.
    """
    recomputation = claim_recomputation(
        recomputation_id=recomputation_id, concurrency=concurrency, actor=RECOMPUTER, now=clock()
    )
    if recomputation is None:
        return
    try:
        _perform(recomputation, client, compute, clock)
    finally:
        send_waiting(limit=1)  # its place is free


def _perform(
    recomputation: Recomputation,
    client: MlflowClient,
    compute: Recomputing,
    clock: Callable[[], datetime],
) -> None:
    version = _version_of(recomputation)
    with keep_lease(recomputation, clock) as lease:
        try:
            result = _compute(recomputation, version, client, compute, lease)
        except Exception as error:
            if not lease.is_lost():
                _put_back_or_fail(recomputation, lease.token, error, now=clock())
                raise
        else:
            if not lease.is_lost():
                record_result(
                    recomputation_id=recomputation.pk,
                    lease=lease.token,
                    version=version,
                    result=result,
                    now=clock(),
                )
                return
        # Nothing happens where it was cancelled, or another has it.
        _put_back_or_fail(recomputation, lease.token, None, now=clock())


def take_up_recomputations(*, now: datetime, limit: int) -> None:
    """Queue again what lost its worker, fail what did so too often, and send what waits."""
    for lost in lost_recomputations(now=now):
        if lost.lease is not None:
            _put_back_or_fail(lost, lost.lease, None, now=now)
    send_waiting(limit=limit)


def send_waiting(*, limit: int) -> None:
    """Send the tasks of those that have waited longest; one that is sent twice is done once."""
    waiting = Recomputation.objects.filter(status=RecomputationStatus.QUEUED)
    for recomputation in waiting.order_by("created_at")[:limit]:
        send_recomputation(recomputation)


def _compute(
    recomputation: Recomputation,
    version: ModelVersion,
    client: MlflowClient,
    compute: Recomputing,
    lease: Lease,
) -> Recomputed:
    try:
        order = order_of(recomputation, version, client)
    except NotRecorded as error:
        return not_recorded(recomputation, error)
    return compute(
        order,
        report_step=lease.report_step,
        on_output=lease.take_output,
        cancelled=lease.is_lost,
    )


def _put_back_or_fail(
    recomputation: Recomputation, lease: UUID, error: Exception | None, *, now: datetime
) -> None:
    why = f"{type(error).__name__}: {error}" if error else f"The recomputation stopped: {_LOST}."
    is_attempt = not isinstance(error, MlflowUnavailable)
    is_final = isinstance(error, FINAL) or (is_attempt and recomputation.attempts >= MAX_ATTEMPTS)
    if is_final:
        record_failure(
            recomputation_id=recomputation.pk,
            lease=lease,
            version=_version_of(recomputation),
            failure=str(error) if isinstance(error, FINAL) else why,
            now=now,
        )
        return
    put_back(
        recomputation_id=recomputation.pk,
        lease=lease,
        # Whatever an error says may quote a name or a path: it is for the row, not for the log.
        why=type(error).__name__ if error else _LOST,
        is_attempt=is_attempt,
        actor=RECOMPUTER,
        now=now,
    )


def _version_of(recomputation: Recomputation) -> ModelVersion:
    return ModelVersion.objects.select_related("registered_model__source").get(
        uri=recomputation.version_uri
    )
