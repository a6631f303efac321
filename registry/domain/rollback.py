"""Rollback grants: their statuses and the only moves between them, and which use one explains.

    requested → approved → handed out → used → accepted | rejected
        └→ refused
    requested, approved, handed out → revoked

Each event's value is the log event (dotted past tense) that the move is recorded as.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from registry.domain.errors import RegistryDomainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from muniment.grant import RollbackUse

DEFAULT_VALID_DAYS: Final = 30
MAX_VALID_DAYS: Final = 90


class RollbackStatus(StrEnum):
    """Where a rollback grant stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    HANDED_OUT = "handed_out"
    REVOKED = "revoked"
    USED = "used"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


LIVING: Final = (RollbackStatus.REQUESTED, RollbackStatus.APPROVED, RollbackStatus.HANDED_OUT)
"""What ends by expiring, too: from `expires_at` on nothing comes of it any more."""


class RollbackEvent(StrEnum):
    """What moves a rollback grant from one status to the next, and how it comes into being."""

    REQUESTED = "rollback.requested"
    APPROVED = "rollback.approved"
    REFUSED = "rollback.refused"
    HANDED_OUT = "rollback.handed_out"
    REVOKED = "rollback.revoked"
    USED = "rollback.used"
    ACCEPTED = "rollback.accepted"
    REJECTED = "rollback.rejected"


TRANSITIONS: Final[Mapping[tuple[RollbackStatus, RollbackEvent], RollbackStatus]] = (
    MappingProxyType(
        {
            (RollbackStatus.REQUESTED, RollbackEvent.APPROVED): RollbackStatus.APPROVED,
            (RollbackStatus.REQUESTED, RollbackEvent.REFUSED): RollbackStatus.REFUSED,
            (RollbackStatus.APPROVED, RollbackEvent.HANDED_OUT): RollbackStatus.HANDED_OUT,
            (RollbackStatus.HANDED_OUT, RollbackEvent.USED): RollbackStatus.USED,
            (RollbackStatus.USED, RollbackEvent.ACCEPTED): RollbackStatus.ACCEPTED,
            (RollbackStatus.USED, RollbackEvent.REJECTED): RollbackStatus.REJECTED,
            **{(status, RollbackEvent.REVOKED): RollbackStatus.REVOKED for status in LIVING},
        }
    )
)


class IllegalRollbackMove(RegistryDomainError):
    """That cannot happen to a rollback grant in that status."""

    code: ClassVar[str] = "illegal_rollback_move"


def next_rollback_status(status: RollbackStatus, event: RollbackEvent) -> RollbackStatus:
    """Give the status that follows.

    Raises:
        IllegalRollbackMove: the table has no such move.
    """
    following = TRANSITIONS.get((status, event))
    if following is None:
        raise IllegalRollbackMove(
            f"A rollback grant that is {status.value} cannot become {event.value}."
        )
    return following


@dataclass(frozen=True, slots=True)
class RollbackTerms:
    """The one move that a grant allows, where it stands, and until when it was worth something."""

    status: RollbackStatus
    from_version: int
    to_version: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SeenAlias:
    """What the mirror knows of the alias when a walk finds that a grant was used.

    Attributes:
        held: the version that it names in the mirror, None for none.
        moves_to: where this very walk sees it, None for nowhere; `held` where it did not move.
        came_from: where it was before the last move that the mirror knows.
    """

    held: int | None
    moves_to: int | None
    came_from: int | None


def why_not_explained(
    terms: RollbackTerms, use: RollbackUse, alias: SeenAlias, *, walked_at: datetime | None
) -> str:
    """Say why what a registry remembers is no use of this grant; "" where it is one.

    A registry's own store writes the tag in the transaction that makes the move, and only before
    the grant expires. Whoever has the database writes what they like: what does not fit, nothing
    explains.

    Args:
        walked_at: when the walk before this one began, which had not seen the use yet.
    """
    if terms.status is not RollbackStatus.HANDED_OUT:
        return f"the grant is {terms.status.value.replace('_', ' ')}"
    if (use.from_version, use.to_version) != (terms.from_version, terms.to_version):
        return "the grant is for another move"
    if use.at >= terms.expires_at or (walked_at is not None and walked_at >= terms.expires_at):
        return "the grant had expired"
    leaves_now = alias.held == use.from_version != alias.moves_to
    left_before = alias.held == use.to_version and alias.came_from == use.from_version
    if not leaves_now and not left_before:
        return "the alias did not make this move"
    return ""


def require_valid_days(days: int) -> timedelta:
    """Return for how long a grant is valid: 1 to 90 days, both included.

    Raises:
        RollbackTooLong: anything else.
    """
    if not 1 <= days <= MAX_VALID_DAYS:
        raise RollbackTooLong(f"A rollback grant is valid for 1 to {MAX_VALID_DAYS} days.")
    return timedelta(days=days)


class RollbackTooLong(RegistryDomainError):
    """A rollback grant would be valid for too long, or not at all."""

    code: ClassVar[str] = "rollback_too_long"
