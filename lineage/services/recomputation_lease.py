"""Keeping a lease while one works, seeing that it was taken away, and telling how far one is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from django.db import Error, connection

from lineage.domain.recomputation import RecomputationStatus, shown_log
from lineage.models import Recomputation
from lineage.recompute.order import Step
from lineage.services.recomputations import LOST_AFTER, give_back_lease

logger = structlog.get_logger(__name__)

BEAT_SECONDS: Final = 1.0
# Well before others take the work up: two must never do it at once.
_SILENT_SECONDS: Final = LOST_AFTER.total_seconds() / 2
MAX_TAIL_CHARACTERS: Final = 8_000
_MAX_TAIL_BYTES: Final = 4 * MAX_TAIL_CHARACTERS
# Of the others nothing is shown: a model that is asked for predictions may print what it is given.
_SHOWN_STEPS: Final = frozenset({Step.TRAINING, Step.REPEATING, Step.CONTROL, Step.NEAR_CONTROL})


class Lease:
    """What a worker holds while it recomputes; `report_step` and `take_output` are its ears."""

    def __init__(self, recomputation: Recomputation) -> None:
        if recomputation.lease is None:
            raise ValueError("the recomputation was not claimed")
        self.recomputation_id: UUID = recomputation.pk
        self.token: UUID = recomputation.lease
        self._step, self._tail = "", b""
        self._written = ("", b"")
        self._lock = threading.Lock()
        self._lost = threading.Event()

    def report_step(self, step: str) -> None:
        """Say where the work stands."""
        with self._lock:
            self._step = step

    def take_output(self, content: bytes) -> None:
        """Take what the training wrote, and keep its end."""
        with self._lock:
            if self._step in _SHOWN_STEPS:
                self._tail = (self._tail + content)[-_MAX_TAIL_BYTES:]

    def is_lost(self) -> bool:
        """Say whether to stop at once: it was cancelled, or another has taken it up."""
        return self._lost.is_set()

    def beat(self, now: datetime) -> None:
        """Say that we are at work, and see whether we still should be."""
        with self._lock:
            step, tail = self._step, self._tail
        said: dict[str, object] = {"heartbeat_at": now}
        if (step, tail) != self._written:
            said |= {"step": step, "log_tail": shown_log(tail, MAX_TAIL_CHARACTERS)}
        row = Recomputation.objects.filter(pk=self.recomputation_id, lease=self.token)
        is_ours = row.update(**said) == 1
        self._written = (step, tail)
        if not is_ours or not row.filter(status=RecomputationStatus.RUNNING).exists():
            self._lost.set()

    def give_up(self) -> None:
        """Stop the work: nobody can be asked whether it is still ours."""
        self._lost.set()


@contextmanager
def keep_lease(recomputation: Recomputation, clock: Callable[[], datetime]) -> Iterator[Lease]:
    """Keep a claimed recomputation's lease for as long as the block runs."""
    lease = Lease(recomputation)
    done = threading.Event()

    def keep() -> None:
        heard = time.monotonic()
        try:
            while not done.wait(BEAT_SECONDS):
                try:
                    lease.beat(clock())
                    heard = time.monotonic()
                except Error as error:
                    logger.warning("recomputation.heartbeat_failed", why=type(error).__name__)
                    connection.close()
                    if time.monotonic() - heard > _SILENT_SECONDS:
                        lease.give_up()
        finally:
            if not done.is_set():
                lease.give_up()  # whatever ended this, nobody says any more that we are at work
            connection.close()

    beating = threading.Thread(target=keep, name="recomputation-lease", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        done.set()
        beating.join()
        give_back_lease(recomputation_id=lease.recomputation_id, lease=lease.token)
