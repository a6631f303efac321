"""A log for tests: entries appended by the real service, or many at once by one signature each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from audits.domain.actor import MIRROR
from audits.models import LogEntry
from audits.services.keys import enroll_keys
from audits.services.log import append_statement, predicate_type
from audits.services.sequencer import sequence_pending
from muniment.attest.digest import Digest

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STREAM = "muniment://default/models/m@1"
DIGEST = Digest("sha256", hashlib.sha256(b"row").hexdigest())


def forget_published() -> None:
    """Forget the checkpoint that another test's log published: its database is not this one."""
    Path(settings.PUBLISHED_CHECKPOINT_FILE).unlink(missing_ok=True)


def append(*, stream: str | None = STREAM, **predicate: object) -> LogEntry:
    """Append one statement, within the caller's transaction."""
    return append_statement(
        event="model.changed",
        predicate_type=predicate_type("registry-event"),
        subject_name=stream or "registry",
        subject_digest=DIGEST,
        predicate={"before": None, "after": {"n": 1}, **predicate},
        stream=stream,
        actor=MIRROR,
        now=NOW,
    )


def append_many(numbers: Iterable[int], *, streams: int = 3) -> list[LogEntry]:
    """Append one statement a number, over a few models' streams, in one transaction."""
    with transaction.atomic():
        return [
            append(stream=f"muniment://default/models/m{n % streams}@1", after={"n": n})
            for n in numbers
        ]


def sequence_all(now: datetime = NOW) -> int:
    """Sequence until nothing waits; return how many entries were."""
    total = 0
    while placed := sequence_pending(now=now):
        total += placed
    return total


def write_log(size: int) -> None:
    """Make a log of `size` entries: the keys, then statements, under several checkpoints."""
    enrolled = len(enroll_keys(now=NOW))
    sequence_all()
    for first in range(enrolled, size, 97):
        append_many(range(first, min(first + 97, size)))
        sequence_all()
