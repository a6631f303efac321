"""What a verification found, in words and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

from muniment.attest.errors import AttestError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        id: stable, ``<area>.<subject>``.
        title: what must hold, as a sentence.
        holds: whether it does; False also where it could not be looked at.
        detail: what was seen, or why not.
        code: of a failure, stable; None where it holds.
    """

    id: str
    title: str
    holds: bool
    detail: str
    code: str | None = None

    def as_mapping(self) -> dict[str, object]:
        """Return the finding as JSON."""
        return {
            "id": self.id,
            "title": self.title,
            "holds": self.holds,
            "detail": self.detail,
            "code": self.code,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that was looked at.

    Attributes:
        file: what was given, as it was named.
        findings: in the order they were made, never empty.
        limits: what cannot be shown from what was given alone, a sentence each.
        facts: what it is about, for people; only what was proven before it is told.
        kind: ``report``, ``bundle``, ``entry``, ``checkpoints`` or ``log``; ``unknown`` for what
            is none of them.
        log: the log that it was held against; None without.
    """

    file: str
    findings: tuple[Finding, ...]
    limits: tuple[str, ...]
    facts: dict[str, object]
    kind: str = "report"
    log: str | None = None

    @property
    def holds(self) -> bool:
        """Whether everything holds. Nothing looked at is not enough."""
        return bool(self.findings) and all(finding.holds for finding in self.findings)

    def as_mapping(self) -> dict[str, object]:
        """Return the verification as one JSON document."""
        return {
            "command": "verify",
            "kind": self.kind,
            "file": self.file,
            "log": self.log,
            "holds": self.holds,
            "findings": [finding.as_mapping() for finding in self.findings],
            "limits": list(self.limits),
            "facts": dict(self.facts),
        }


@dataclass(slots=True)
class Look:
    """One finding in the making: it holds unless an ``AttestError`` is raised inside ``with``.

    The refusal becomes the finding and ends nothing else; any other exception passes through.
    """

    made: list[Finding]
    id: str
    title: str
    detail: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            self.made.append(Finding(self.id, self.title, True, self.detail))
            return False
        if not isinstance(error, AttestError):
            return False
        self.made.append(Finding(self.id, self.title, False, error.message, error.code))
        return True


def counted(number: int, one: str, several: str = "") -> str:
    """Return ``1 tile``, ``2 tiles``; ``several`` is for words that do not take an s."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def known(value: T | None, what: str) -> T:
    """Return ``value``, or say that this could not be looked at because an earlier step failed.

    Raises:
        AttestError: ``value`` is None.
    """
    if value is None:
        raise AttestError(f"not looked at: {what} did not hold", code="verify.not_reached")
    return value


@dataclass(slots=True)
class Findings:
    """Collects findings in the order they are made."""

    made: list[Finding] = field(default_factory=list)

    def look_at(self, finding_id: str, title: str) -> Look:
        """Begin one finding."""
        return Look(self.made, finding_id, title)
