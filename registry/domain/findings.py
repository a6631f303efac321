"""Findings: what an approval was given under the condition of, and by when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from registry.domain.moments import is_aware, rfc3339

RAISED: Final = "finding.raised"
ANSWERED: Final = "finding.answered"
CLOSED: Final = "finding.closed"
MAX_DAYS: Final = 365


class Severity(StrEnum):
    """How much a finding matters; all of them have to be closed in time."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that nobody has closed. `digest` is that of its statement; `due_at` is excluded."""

    digest: str
    severity: str
    due_at: datetime

    def to_mapping(self) -> dict[str, str]:
        """Give the finding as JSON-able values."""
        return {"digest": self.digest, "severity": self.severity, "due_at": rfc3339(self.due_at)}


def overdue_reasons(findings: Iterable[OpenFinding], as_of: datetime) -> list[str]:
    """Say in a sentence of each finding that is overdue that it stands in the way."""
    return [
        f"A finding of severity {finding.severity}, which an approval was conditional on, is "
        f"overdue since {rfc3339(finding.due_at)}."
        for finding in findings
        if not is_aware(finding.due_at) or as_of >= finding.due_at
    ]
