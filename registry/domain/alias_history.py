"""Who held an alias when: what the log says of it, read as periods that leave no gap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from registry.domain.errors import RegistryDomainError

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_EXPECTED: Final = "Write a day in UTC, such as 2026-03-03, or a moment, such as 2026-03-03T14:05"


class TimeNotUnderstood(RegistryDomainError):
    """What was asked for is no day and no moment, or has not come yet."""

    code: ClassVar[str] = "time_not_understood"


@dataclass(frozen=True, slots=True)
class AskedTime:
    """A moment, or a whole day in UTC, at which somebody wants to know who held an alias.

    Attributes:
        begins_at: the moment itself, or the first of the day.
        ends_at: the first moment after the day; None for a single moment.
    """

    begins_at: datetime
    ends_at: datetime | None = None

    @property
    def last_moment(self) -> datetime:
        """The moment after which nothing is asked about."""
        return self.ends_at or self.begins_at


class Holding(StrEnum):
    """What is known of an alias in a period.

    `held`: a version had it. `nobody`: none had. `gone`: the model itself was gone from MLflow.
    `unknown`: Muniment did not watch the model yet.
    """

    HELD = "held"
    NOBODY = "nobody"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the log says of an alias, or of the model that it belongs to.

    Attributes:
        place: orders the steps, as their entries are ordered in the log.
        version: the version that has the alias from then on; None unless `held`.
    """

    place: int
    at: datetime
    holding: Holding
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time in which the same is true of an alias: from `since`, before `until`.

    Attributes:
        since: None where it has no beginning.
        until: None where it lasts.
        place: the step that began it; None where nothing in the log did.
    """

    holding: Holding
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    place: int | None = None


def periods_of(steps: Iterable[Step], *, watched_from: datetime) -> tuple[Period, ...]:
    """Tell the whole time line of one alias, oldest first.

    Each period ends where the next begins; the first has no beginning, the last no end. Before
    `watched_from` everything is unknown, and later steps never change what is said of an earlier
    moment. The order is the log's: a step that a clock dates before the one it follows begins
    when that one does, so that a version may have held the alias for no time at all.
    """
    told = [
        Period(Holding.UNKNOWN, until=watched_from),
        Period(Holding.NOBODY, since=watched_from),
    ]
    for step in sorted(steps, key=lambda step: step.place):
        since = max(step.at, told[-1].since or watched_from)
        # That nobody had it for no time is no news; who had it for no time is.
        if told[-1].since == since and told[-1].holding is not Holding.HELD:
            told.pop()
        last = told[-1]
        if (step.holding, step.version) == (last.holding, last.version):
            told[-1] = replace(last, until=None)
        else:
            told[-1] = replace(last, until=since)
            told.append(Period(step.holding, step.version, since=since, place=step.place))
    return tuple(told)


def holding_at(periods: Sequence[Period], asked: AskedTime) -> tuple[Period, ...]:
    """Return what was true at a moment (one period), or during a day (each that touches it)."""
    return tuple(period for period in periods if _touches(period, asked))


def parse_time(text: str, *, now: datetime) -> AskedTime:
    """Read a day (`2026-03-03`, all of it, in UTC) or a moment (`2026-03-03T14:05`).

    A moment may have seconds and an offset from UTC; without one it is in UTC.

    Raises:
        TimeNotUnderstood: it is neither, or it begins after `now`.
    """
    text = text.strip()
    asked = _read(text)
    if asked.begins_at > now:
        raise TimeNotUnderstood(
            f"{text} has not come yet, so nobody can say who holds an alias then."
        )
    return asked


def _read(text: str) -> AskedTime:
    try:
        if _DAY.fullmatch(text):
            begins_at = datetime.combine(date.fromisoformat(text), time.min, UTC)
            return AskedTime(begins_at, begins_at + timedelta(days=1))
        if _INSTANT.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return AskedTime(
                (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            )
    except (ValueError, OverflowError) as error:
        raise TimeNotUnderstood(f"“{text}” is not in the calendar. {_EXPECTED}.") from error
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    hint = " (an offset's plus sign is written %2B in an address)" if " " in text[11:] else ""
    raise TimeNotUnderstood(f"“{shown}” is no time that can be asked for. {_EXPECTED}{hint}.")


def _touches(period: Period, asked: AskedTime) -> bool:
    since, until = period.since, period.until
    if asked.ends_at is None:
        has_begun = since is None or since <= asked.begins_at
        return has_begun and (until is None or asked.begins_at < until)
    if since is not None and since == until:
        return asked.begins_at <= since < asked.ends_at
    has_begun = since is None or since < asked.ends_at
    return has_begun and (until is None or until > asked.begins_at)
