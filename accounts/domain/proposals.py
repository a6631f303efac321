"""Proposals: changes that need a second person, and who that may be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from accounts.domain.groups import is_group

ROLE: Final = "admin"
VALID_FOR: Final = timedelta(days=7)
_ROLES_THAT_SIGN: Final = frozenset({"reviewer", "admin"})


class Verdict(StrEnum):
    """What ends a proposal before its time does."""

    CONFIRM = "confirm"
    DECLINE = "decline"
    TAKE_BACK = "take_back"


class ProposalStatus(StrEnum):
    WAITING = "waiting"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    TAKEN_BACK = "taken_back"
    EXPIRED = "expired"


_ENDED: Final = {
    Verdict.CONFIRM: ProposalStatus.CONFIRMED,
    Verdict.DECLINE: ProposalStatus.DECLINED,
    Verdict.TAKE_BACK: ProposalStatus.TAKEN_BACK,
}


def status_of(*, verdict: str | None, expires_at: datetime, now: datetime) -> ProposalStatus:
    """Say how a proposal stands; unanswered, it expires at `expires_at` exactly."""
    if verdict is not None:
        return _ENDED[Verdict(verdict)]
    return ProposalStatus.WAITING if now < expires_at else ProposalStatus.EXPIRED


def why_not_answer(
    *, verdict: Verdict, person: str, roles: frozenset[str], proposer: str, subject: str
) -> str:
    """Say why a person may not answer a proposal so; empty where they may.

    People are pseudonymous ids. Nobody confirms what they proposed, nor what gives something to
    themselves; only the proposer takes a proposal back.
    """
    if verdict is Verdict.TAKE_BACK:
        return "" if person == proposer else "Only whoever proposed a change takes it back."
    if ROLE not in roles:
        return "A change is confirmed or declined by an admin."
    if person == proposer:
        return "You proposed this change. Another admin confirms or declines it."
    if subject == person_subject(person):
        return "This change is about you. An admin whom it is not about confirms or declines it."
    return ""


def roles_that_sign(roles: Iterable[str]) -> frozenset[str]:
    """Return those whose holder can let something pass that did not pass before, groups too."""
    return frozenset(role for role in roles if role in _ROLES_THAT_SIGN or is_group(role))


def person_subject(person: str) -> str:
    """Return how the log names a person as the subject of a statement."""
    return f"person:{person}"


def signs_from(*, changed_at: datetime | None, delay: timedelta) -> datetime | None:
    """Return from when somebody may sign; None where nothing has kept them from it."""
    return None if changed_at is None else changed_at + delay
