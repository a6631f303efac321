"""Recomputations as rows: opened, claimed, put back, ended; each move a fact in the log."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from audits.domain.actor import Actor
from audits.models import Evidence, LogEntry
from audits.services.log import append_statement, lock_stream, predicate_type
from lineage.domain.recomputation import (
    INITIAL_STATUS,
    OPEN_STATUSES,
    RecomputationEvent,
    RecomputationStatus,
    next_recomputation_status,
)
from lineage.models import LineageRecord, Recomputation
from muniment.attest.digest import Digest

# Whoever works says so every second: one who was silent for so long is gone, or stops by itself.
LOST_AFTER: Final = timedelta(seconds=30)
MAX_ATTEMPTS: Final = 3
MAX_FAILURE: Final = 2_000
_CLAIMING: Final = 0x6D756E_7265  # one advisory lock for all claims of this database


@transaction.atomic
def open_recomputation(
    *,
    record: LineageRecord,
    repeats: int,
    negative_control: bool,
    requested_by: UUID | None,
    actor: Actor,
    now: datetime,
) -> tuple[Recomputation, bool]:
    """Return the open recomputation of a version, and whether it was opened now.

    Args:
        record: what it is trained from; the version's newest.
        requested_by: a person's pseudonymous id; None on schedule.
    """
    lock_stream(record.stream)
    recomputation, is_new = Recomputation.objects.get_or_create(
        version_uri=record.version_uri,
        status__in=OPEN_STATUSES,
        defaults={
            "record": record,
            "status": INITIAL_STATUS,
            "requested_by": requested_by,
            "repeats": repeats,
            "negative_control": negative_control,
            "created_at": now,
        },
    )
    if is_new:
        detail = {"repeats": repeats, "negative_control": negative_control}
        _state(recomputation, RecomputationEvent.REQUESTED, detail, actor=actor, now=now)
    return recomputation, is_new


@transaction.atomic(durable=True)
def claim_recomputation(
    *, recomputation_id: UUID, concurrency: int, actor: Actor, now: datetime
) -> Recomputation | None:
    """Take a queued recomputation, with a lease of one's own; None where that is not possible.

    Another has it, it has ended, or `concurrency` others are at work: claims are made one at a
    time across all workers, so that it is never one more.
    """
    lock_stream(Recomputation.objects.select_related("record").get(pk=recomputation_id).stream)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIMING])
    recomputation = _locked(recomputation_id)
    at_work = Recomputation.objects.filter(heartbeat_at__gte=now - LOST_AFTER).count()
    if recomputation.status != RecomputationStatus.QUEUED or at_work >= concurrency:
        return None
    recomputation.lease, recomputation.heartbeat_at = uuid.uuid4(), now
    recomputation.attempts += 1
    recomputation.started_at = now
    recomputation.step = recomputation.log_tail = ""
    _move(recomputation, RecomputationEvent.STARTED, actor=actor, now=now)
    return recomputation


@transaction.atomic
def put_back(
    *,
    recomputation_id: UUID,
    lease: UUID,
    why: str,
    is_attempt: bool,
    actor: Actor,
    now: datetime,
) -> bool:
    """Queue a running recomputation again; False where the lease is no longer good.

    Args:
        why: one sentence of ours: it stands in the log.
        is_attempt: False for what is nobody's fault and passes by itself.
    """
    recomputation = _held(recomputation_id, lease)
    if recomputation is None:
        return False
    if not is_attempt:
        recomputation.attempts -= 1
    recomputation.lease = recomputation.heartbeat_at = recomputation.started_at = None
    _move(recomputation, RecomputationEvent.PUT_BACK, {"reason": why}, actor=actor, now=now)
    return True


@transaction.atomic
def cancel_recomputation(*, recomputation_id: UUID, actor: Actor, now: datetime) -> bool:
    """Cancel an open recomputation; False where it has ended already.

    Whoever works on it sees that within a second or two, kills the sandbox, and gives the lease
    back; until then its place counts as taken.
    """
    recomputation = _locked(recomputation_id, with_stream=True)
    if not RecomputationStatus(recomputation.status).is_open:
        return False
    recomputation.finished_at = now
    _move(recomputation, RecomputationEvent.CANCELLED, actor=actor, now=now)
    return True


@transaction.atomic
def finish_recomputation(
    *,
    recomputation: Recomputation,
    evidence: Evidence,
    failure: str = "",
    detail: Mapping[str, Any],
    actor: Actor,
    now: datetime,
) -> None:
    """End a recomputation that `hold_running` returned, with the evidence that came of it.

    Args:
        failure: why there is no verdict; empty where there is one.
        detail: what the log says of the end besides.
    """
    is_done = not failure
    recomputation.evidence = evidence
    recomputation.finished_at = now
    recomputation.failure = failure[:MAX_FAILURE]
    recomputation.lease = recomputation.heartbeat_at = None
    event = RecomputationEvent.FINISHED if is_done else RecomputationEvent.FAILED
    _move(
        recomputation,
        event,
        {"evidence": evidence.entry.sha256, **detail},
        actor=actor,
        now=now,
    )


def hold_running(recomputation_id: UUID, lease: UUID) -> Recomputation | None:
    """Lock a running recomputation, its model's stream first; None where the lease is lost.

    What its worker found then counts for nothing: it was cancelled, or another has taken it up.
    """
    return _held(recomputation_id, lease)


def give_back_lease(*, recomputation_id: UUID, lease: UUID) -> None:
    """Say that whoever held this lease of an ended recomputation has stopped."""
    Recomputation.objects.filter(pk=recomputation_id, lease=lease).exclude(
        status=RecomputationStatus.RUNNING
    ).update(lease=None, heartbeat_at=None)


def lost_recomputations(*, now: datetime) -> list[Recomputation]:
    """Return those that are running by their row, and by nobody's word."""
    lost = Recomputation.objects.filter(
        status=RecomputationStatus.RUNNING, heartbeat_at__lt=now - LOST_AFTER
    )
    return list(lost.order_by("created_at"))


def _held(recomputation_id: UUID, lease: UUID) -> Recomputation | None:
    recomputation = _locked(recomputation_id, with_stream=True)
    is_held = recomputation.status == RecomputationStatus.RUNNING and recomputation.lease == lease
    return recomputation if is_held else None


def _locked(recomputation_id: UUID, *, with_stream: bool = False) -> Recomputation:
    rows = Recomputation.objects.select_related("record")
    if with_stream:
        lock_stream(rows.get(pk=recomputation_id).stream)
    return rows.select_for_update(of=("self",)).get(pk=recomputation_id)


def _move(
    recomputation: Recomputation,
    event: RecomputationEvent,
    detail: Mapping[str, Any] | None = None,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    status = RecomputationStatus(recomputation.status)
    recomputation.status = next_recomputation_status(status, event)
    recomputation.save()
    _state(recomputation, event, detail or {}, actor=actor, now=now)


def _state(
    recomputation: Recomputation,
    event: RecomputationEvent,
    detail: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> LogEntry:
    """Append a fact about a recomputation to its model's stream."""
    return append_statement(
        event=event.value,
        predicate_type=predicate_type("registry-event"),
        subject_name=recomputation.version_uri,
        subject_digest=Digest.parse(recomputation.record.subject_digest),
        predicate={
            "before": None,
            "after": None,
            "violation": False,
            "detail": {
                "recomputation_id": str(recomputation.pk),
                "status": str(recomputation.status),
                "attempt": recomputation.attempts,
                **detail,
            },
        },
        stream=recomputation.stream,
        actor=actor,
        now=now,
    )
