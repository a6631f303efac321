"""Long work on a job: taken with a lease, kept by saying that one is there, given up when lost."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import Error, connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from audits.models import Job

BEAT_SECONDS: Final = 1.0
# Whoever was silent for so long is gone, or stops by itself.
LEASE_LOST_AFTER: Final = timedelta(seconds=30)
_SILENT_SECONDS: Final = 20.0


def lost_leases(now: datetime) -> Q:
    """Return what picks the jobs that are running by their row, and by nobody's word."""
    return Q(status=Job.Status.RUNNING, lease__isnull=False, updated_at__lt=now - LEASE_LOST_AFTER)


class JobLease:
    """What a worker holds while it works on a job."""

    def __init__(self, job: Job, token: UUID) -> None:
        self.job, self.token = job, token
        self._step = ""
        self._lost = threading.Event()

    def report_step(self, step: str) -> None:
        """Say where the work stands; the page shows it within a second or two."""
        self._step = step

    def is_lost(self) -> bool:
        """Say whether to stop at once: another has taken it up, or may have."""
        return self._lost.is_set()

    def beat(self, now: datetime) -> None:
        """Say that we are at work, and see whether we still should be."""
        if not self._row().update(updated_at=now, step=self._step):
            self._lost.set()

    def give_up(self) -> None:
        """Stop the work: nobody can be asked whether it is still ours."""
        self._lost.set()

    def hold(self) -> bool:
        """Lock the job until the transaction ends; False where it is another's by now."""
        return self._row().select_for_update().first() is not None

    def give_back(self, *, status: Job.Status, error: str, is_attempt: bool, now: datetime) -> None:
        """Say what became of the work; nothing is written where the job is another's by now."""
        self._row().update(
            status=status,
            attempts=F("attempts") + int(is_attempt),
            error=error[:2000],
            lease=None,
            step="",
            updated_at=now,
        )

    def _row(self) -> QuerySet[Job]:
        return Job.objects.filter(pk=self.job.pk, lease=self.token, status=Job.Status.RUNNING)


@contextmanager
def lease_job(*, job_id: UUID, clock: Callable[[], datetime]) -> Iterator[JobLease | None]:
    """Take a job that is queued, or whose worker is gone, and keep it for the block.

    None where another has it, or it has ended. A job that lost its worker has had one attempt
    more: one that takes its worker down each time does not go on for ever.
    """
    lease = _claim(job_id, clock())
    if lease is None:
        yield None
        return
    done = threading.Event()

    def keep() -> None:
        heard = time.monotonic()
        try:
            while not done.wait(BEAT_SECONDS):
                try:
                    lease.beat(clock())
                    heard = time.monotonic()
                except Error:
                    connection.close()
                    if time.monotonic() - heard > _SILENT_SECONDS:
                        lease.give_up()
        finally:
            if not done.is_set():
                lease.give_up()
            connection.close()

    beating = threading.Thread(target=keep, name="job-lease", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        done.set()
        beating.join()


@transaction.atomic
def _claim(job_id: UUID, now: datetime) -> JobLease | None:
    token = uuid.uuid4()
    claimed = Job.objects.filter(Q(status=Job.Status.QUEUED) | lost_leases(now), pk=job_id).update(
        attempts=F("attempts")
        + Case(When(status=Job.Status.RUNNING, then=Value(1)), default=Value(0)),
        status=Job.Status.RUNNING,
        lease=token,
        step="",
        updated_at=now,
    )
    return JobLease(Job.objects.get(pk=job_id), token) if claimed else None
