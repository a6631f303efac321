"""Recomputing a version: what a worker does, and what becomes of one that it lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import close_old_connections

from audits.domain.actor import RECOMPUTER
from lineage.errors import ArtifactMissing, MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.models import Recomputation
from lineage.recompute.errors import SandboxUnavailable
from lineage.recompute.order import RecomputationOrder, Recomputed
from lineage.services.recomputation_lease import Lease, keep_lease
from lineage.services.recomputations import (
    MAX_ATTEMPTS,
    claim_recomputation,
    lost_recomputations,
    put_back,
)
from registry.models import ModelVersion
from registry.services.recomputation_orders import send_waiting
from registry.services.recomputation_results import record_failure, record_result
from registry.services.recompute_order import NotRecorded, not_recorded, order_of

_LOST = "its worker was lost"
# Trying again gives the same.
FINAL = (ArtifactMissing, SandboxUnavailable)


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
    _perform(recomputation, client, compute, clock)
    # Its place is free. After a fault nothing is sent: beat does that in a while, and better then.
    send_waiting(limit=1)


def _perform(
    recomputation: Recomputation,
    client: MlflowClient,
    compute: Recomputing,
    clock: Callable[[], datetime],
) -> None:
    version = _version_of(recomputation)
    with keep_lease(recomputation, clock) as lease:
        try:
            try:
                result = _compute(recomputation, version, client, compute, lease)
            finally:
                close_old_connections()  # it lay idle for as long as the training took
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
