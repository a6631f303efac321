"""Celery edges of the log."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from audits.services.sequencer import sequence_pending


@shared_task
def sequence_log() -> None:
    """Sequence what is pending; runs on the queue `log` alone."""
    while sequence_pending(now=timezone.now()):
        pass
