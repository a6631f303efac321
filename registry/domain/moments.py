"""Moments: aware or not, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime


def is_aware(moment: datetime) -> bool:
    """Tell whether a moment says which one it is, that is, has a timezone."""
    return moment.tzinfo is not None and moment.utcoffset() is not None


def rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with microseconds and `Z`.

    A moment without a timezone is written as it stands and without `Z`, for it names none.
    """
    if not is_aware(moment):
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
