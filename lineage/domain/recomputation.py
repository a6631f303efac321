"""The workflow of a recomputation: its statuses and the only moves between them.

    queued ⇄ running → done | failed
       └────────┴→ cancelled

Each event's value is the log event (dotted past tense) that the move is recorded as.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class RecomputationStatus(StrEnum):
    """Where a recomputation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Tell whether anything can still happen; at most one open recomputation per version."""
        return self in OPEN_STATUSES


OPEN_STATUSES: Final = frozenset({RecomputationStatus.QUEUED, RecomputationStatus.RUNNING})


class RecomputationEvent(StrEnum):
    """What moves a recomputation from one status to the next, and how it comes into being."""

    REQUESTED = "recomputation.requested"
    STARTED = "recomputation.started"
    PUT_BACK = "recomputation.put_back"
    FINISHED = "recomputation.finished"
    FAILED = "recomputation.failed"
    CANCELLED = "recomputation.cancelled"


INITIAL_STATUS: Final = RecomputationStatus.QUEUED

TRANSITIONS: Final[Mapping[tuple[RecomputationStatus, RecomputationEvent], RecomputationStatus]] = (
    MappingProxyType(
        {
            (
                RecomputationStatus.QUEUED,
                RecomputationEvent.STARTED,
            ): RecomputationStatus.RUNNING,
            # Its worker was lost, or what it needs was away: somebody takes it up again.
            (
                RecomputationStatus.RUNNING,
                RecomputationEvent.PUT_BACK,
            ): RecomputationStatus.QUEUED,
            (RecomputationStatus.RUNNING, RecomputationEvent.FINISHED): RecomputationStatus.DONE,
            (RecomputationStatus.RUNNING, RecomputationEvent.FAILED): RecomputationStatus.FAILED,
            **{
                (status, RecomputationEvent.CANCELLED): RecomputationStatus.CANCELLED
                for status in OPEN_STATUSES
            },
        }
    )
)


class IllegalMove(Exception):
    """That cannot happen to a recomputation in that status."""

    code = "illegal_move"


def next_recomputation_status(
    status: RecomputationStatus, event: RecomputationEvent
) -> RecomputationStatus:
    """Give the status that follows.

    Raises:
        IllegalMove: the table has no such move; from a status that is not open there is none.
    """
    following = TRANSITIONS.get((status, event))
    if following is None:
        raise IllegalMove(f"A recomputation that is {status.value} cannot become {event.value}.")
    return following


def shown_log(content: bytes, most: int) -> str:
    """Return the last `most` characters of what a program wrote, fit to be stored and shown.

    Line breaks and tabs stay; every other control character, and what is no UTF-8, becomes
    U+FFFD, so that no terminal sequence reaches a reader. A line that a program draws over and
    over, as progress bars do, keeps its last state.
    """
    lines = content.decode("utf-8", errors="replace").replace("\r\n", "\n").split("\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    kept = text[-most:] if most else ""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\ufffd"
        for character in kept
    )
