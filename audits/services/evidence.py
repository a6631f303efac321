"""Recording evidence, and the jobs that produce it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.models import Evidence, Job
from audits.services.log import Seal, append_statement, predicate_type
from muniment.attest.digest import Digest
from muniment.attest.errors import EnvelopeError

TOO_LARGE = "envelope.too_large"
MAX_ATTEMPTS = 5
# Longer than the slowest job takes: one that runs longer was lost with its worker.
LOST_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """Evidence about to be recorded.

    Attributes:
        kind: `bias`, `performance` or `recomputation`.
        origin: `computed` here, or `reported` by the team.
        conclusion: `pass | fail | insufficient | error`.
        inputs: `{"name", "digest"}` of what was read.
    """

    kind: str
    origin: str
    conclusion: str
    reasons: Sequence[str]
    criteria: Mapping[str, Any]
    measurements: Mapping[str, Any]
    inputs: Sequence[Mapping[str, str]]


def record_evidence(
    *,
    version_uri: str,
    stream: str,
    subject_digest: str,
    found: NewEvidence,
    if_too_large: str = "",
    keeping: Collection[str] = (),
    seal: Seal | None = None,
    actor: Actor,
    now: datetime,
) -> Evidence:
    """Record evidence about the bytes of `subject_digest` (`algorithm:hex`) with its log entry.

    Args:
        if_too_large: what is recorded, as an `error` without measurements, where one entry of the
            log cannot hold them; they would not fit the next time either. Empty raises.
        keeping: the measurements that are kept then.
        seal: what a person signs it with; None where nobody does.

    Raises:
        EnvelopeError: it is too large, and `if_too_large` is empty.
    """
    try:
        return _record(version_uri, stream, subject_digest, found, seal, actor, now)
    except EnvelopeError as error:
        if not if_too_large or error.code != TOO_LARGE:
            raise
    kept = {name: found.measurements[name] for name in keeping if name in found.measurements}
    less = replace(found, conclusion="error", reasons=[if_too_large], measurements=kept)
    return _record(version_uri, stream, subject_digest, less, seal, actor, now)


@transaction.atomic
def _record(
    version_uri: str,
    stream: str,
    subject_digest: str,
    found: NewEvidence,
    seal: Seal | None,
    actor: Actor,
    now: datetime,
) -> Evidence:
    entry = append_statement(
        event=Event.EVIDENCE_RECORDED,
        predicate_type=predicate_type("evidence"),
        subject_name=version_uri,
        subject_digest=Digest.parse(subject_digest),
        predicate={
            "kind": found.kind,
            "origin": found.origin,
            "conclusion": found.conclusion,
            "reasons": list(found.reasons),
            "criteria": dict(found.criteria),
            "measurements": dict(found.measurements),
            "inputs": [dict(item) for item in found.inputs],
        },
        stream=stream,
        actor=actor,
        now=now,
        seal=seal,
    )
    return Evidence.objects.create(
        version_uri=version_uri,
        subject_digest=subject_digest,
        kind=found.kind,
        origin=found.origin,
        conclusion=found.conclusion,
        reasons=list(found.reasons),
        criteria=dict(found.criteria),
        measurements=dict(found.measurements),
        inputs=[dict(item) for item in found.inputs],
        produced_at=now,
        entry=entry,
    )


def open_job(
    *, kind: Job.Kind, version_uri: str, requested_by: UUID | None, now: datetime
) -> tuple[Job, bool]:
    """Return the open job of this kind for a version, and whether it was opened now."""
    with transaction.atomic():
        return Job.objects.get_or_create(
            kind=kind,
            version_uri=version_uri,
            status__in=[Job.Status.QUEUED, Job.Status.RUNNING],
            defaults={
                "status": Job.Status.QUEUED,
                "requested_by": requested_by,
                "created_at": now,
                "updated_at": now,
            },
        )


def claim_job(*, job_id: UUID, now: datetime) -> Job | None:
    """Take a job that is queued, or was lost by its worker; None where another has it."""
    claimed = (
        Job.objects.filter(pk=job_id)
        .filter(
            Q(status=Job.Status.QUEUED)
            | Q(status=Job.Status.RUNNING, updated_at__lt=now - LOST_AFTER)
        )
        .update(status=Job.Status.RUNNING, updated_at=now)
    )
    return Job.objects.get(pk=job_id) if claimed else None


def finish_job(*, job: Job, now: datetime) -> None:
    """Mark a job as done."""
    Job.objects.filter(pk=job.pk).update(
        status=Job.Status.DONE, error="", report=job.report, updated_at=now
    )


@contextmanager
def releasing_on_failure(
    job: Job, clock: Callable[[], datetime], *, passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Put a claimed job back, with what went wrong, where its work raises; the error goes on.

    Args:
        passing: what is nobody's fault and passes by itself; it is no attempt, however often it
            happens, so that an outage loses no work.
    """
    try:
        yield
    except Exception as error:
        release_job(
            job=job,
            error=f"{type(error).__name__}: {error}",
            is_attempt=not isinstance(error, passing),
            now=clock(),
        )
        raise


def release_job(*, job: Job, error: str, is_attempt: bool = True, now: datetime) -> None:
    """Put a job back after a fault that may pass; after `MAX_ATTEMPTS` it has failed."""
    attempts = job.attempts + is_attempt
    status = Job.Status.FAILED if attempts >= MAX_ATTEMPTS else Job.Status.QUEUED
    Job.objects.filter(pk=job.pk).update(
        status=status, attempts=attempts, error=error[:2000], updated_at=now
    )
