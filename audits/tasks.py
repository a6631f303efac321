"""Celery edges of the log."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from audits.errors import LogBehindCheckpoint
from audits.services import alarms
from audits.services.log_verification import verify_log
from audits.services.sequencer import DATABASE, sequence_pending
from audits.services.timestamps import timestamp_checkpoints
from audits.services.witnesses import collect_cosignatures


@shared_task
def sequence_log() -> None:
    """Sequence what is pending; runs on the queue `log` alone."""
    try:
        while sequence_pending(now=timezone.now()):
            pass
    except LogBehindCheckpoint as error:
        alarms.raise_alarm(alarms.LOG_BEHIND, str(error), now=timezone.now(), using=DATABASE)
        raise


@shared_task(time_limit=870, soft_time_limit=840)  # below the broker's visibility timeout
def verify_whole_log() -> None:
    """Verify the whole log; what does not hold becomes an alarm."""
    verify_log(now=timezone.now(), clock=timezone.now)


@shared_task
def timestamp_log() -> None:
    """Have new checkpoints stamped by an independent clock."""
    timestamp_checkpoints(now=timezone.now())


@shared_task
def witness_log() -> None:
    """Have the newest checkpoint cosigned by independent witnesses."""
    collect_cosignatures(now=timezone.now())
