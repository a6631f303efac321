"""What a verification of the log looked at, and what it found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogFinding:
    """One thing that was looked at.

    Attributes:
        id: stable, dotted.
        title: what must hold, as a sentence.
        holds: whether it does; False also where it could not be looked at.
        detail: what was seen, or what differs and where.
        is_skipped: it holds only in that nothing was found, for it could not be looked at here.
    """

    id: str
    title: str
    holds: bool
    detail: str
    is_skipped: bool = False

    def as_mapping(self) -> dict[str, object]:
        """Return the finding as JSON."""
        return {
            "id": self.id,
            "title": self.title,
            "holds": self.holds,
            "detail": self.detail,
            "is_skipped": self.is_skipped,
        }
