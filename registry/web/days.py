"""Days as forms give them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from registry.errors import InvalidRequest


def end_of_day(day: str) -> datetime:
    """Return the end of a day in UTC.

    Raises:
        InvalidRequest: it is no day.
    """
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest("Give a day, as in 2027-01-31.") from error
