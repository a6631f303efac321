"""What the list of the log is narrowed to, as its address says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

_EVENT = re.compile(r"[a-z]{1,20}(\.[a-z_]{1,40})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
MAX_TEXT = 500
WAITING = "waiting"
REFUSED = "refused"
STATES = ("", WAITING, REFUSED)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What the list is narrowed to; empty text means everything.

    Attributes:
        since: the first day, in UTC.
        until: the last day, in UTC; it belongs to what is shown.
        before: the id of the entry after which the page goes on.
        problems: what the address asked for and cannot be; none of it narrows the list.
    """

    subject: str = ""
    event: str = ""
    actor: str = ""
    since: date | None = None
    until: date | None = None
    state: str = ""
    only_violations: bool = False
    before: int | None = None
    problems: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> LogFilter:
        """Read a filter from the URL. What cannot be one is left out, and said."""
        problems: list[str] = []
        asked = {name: value.strip() for name, value in query.items()}

        def text(name: str, words: str) -> str:
            value = asked.get(name, "")
            if not value or ("\x00" not in value and len(value) <= MAX_TEXT):
                return value
            problems.append(f"“{_shown(value)}” cannot be {words}")
            return ""

        def matching(name: str, pattern: re.Pattern[str], words: str) -> str:
            value = asked.get(name, "")
            if not value or pattern.fullmatch(value):
                return value
            problems.append(f"“{_shown(value)}” is not {words}")
            return ""

        def day(name: str) -> date | None:
            value = matching(name, _DATE, "a date such as 2026-11-25")
            try:
                return date.fromisoformat(value) if value else None
            except ValueError:
                problems.append(f"“{value}” is no day of the calendar")
                return None

        state = asked.get("state", "")
        if state not in STATES:
            problems.append(f"“{_shown(state)}” is not a state of an entry")
            state = ""
        before = matching("before", _ID, "a place in the list")
        return cls(
            subject=text("subject", "what an entry is about")
            or text("model", "the name of a model"),
            event=matching("event", _EVENT, "the name of an event"),
            actor=text("actor", "somebody's name"),
            since=day("from"),
            until=day("to"),
            state=state,
            only_violations=asked.get("violations") == "1",
            before=int(before) if before else None,
            problems=tuple(problems),
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is left out: if not, an empty list is an empty log."""
        return (
            self.has_days
            or self.before is not None
            or any((self.subject, self.event, self.actor, self.state, self.only_violations))
        )

    @property
    def has_days(self) -> bool:
        """Whether the list is narrowed by time."""
        return self.since is not None or self.until is not None

    @property
    def is_backwards(self) -> bool:
        """Whether the first day comes after the last, so that nothing can fit."""
        return self.since is not None and self.until is not None and self.since > self.until

    @property
    def begins_at(self) -> datetime | None:
        """The first moment that fits."""
        return datetime.combine(self.since, time.min, UTC) if self.since else None

    @property
    def ends_at(self) -> datetime | None:
        """The last moment that fits."""
        return datetime.combine(self.until, time.max, UTC) if self.until else None


def _shown(value: str) -> str:
    shown = value.replace("\x00", "\ufffd")
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
