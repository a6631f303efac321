"""Times as the formats write them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """Return an aware time in UTC with microseconds, as `2026-11-23T14:00:00.000000Z`.

    Raises:
        ValueError: the time has no zone.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be stated")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
