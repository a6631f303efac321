"""Waiting for the token of a rollback grant, which a worker signs for whoever waits."""

from __future__ import annotations

import threading
import time
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from audits.domain.actor import Actor
from registry.services.rollback_handout import await_token, take_token

POLL_SECONDS = 0.2
# A web process has eight threads: whoever waits must leave most of them to everybody else.
_WAITING = threading.BoundedSemaphore(2)


def collect_token(*, rollback_id: UUID, actor: Actor) -> str | None:
    """Return the token of an approved rollback grant, once; None where it took too long.

    Raises:
        ReviewNotAllowed, RollbackNotPossible: as `await_token` and `take_token`.
    """
    handout = await_token(rollback_id=rollback_id, actor=actor, now=timezone.now())
    if not _WAITING.acquire(blocking=False):
        return None
    try:
        deadline = time.monotonic() + settings.REPORT_WAIT_SECONDS
        while (token := take_token(handout=handout, actor=actor, now=timezone.now())) is None:
            if time.monotonic() >= deadline:
                return None
            time.sleep(POLL_SECONDS)
        return token
    finally:
        _WAITING.release()
