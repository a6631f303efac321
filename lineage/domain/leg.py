"""A leg of a version's lineage, and how well it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

LegName = Literal["code", "data", "environment", "configuration"]
LEG_NAMES: Final[tuple[LegName, ...]] = ("code", "data", "environment", "configuration")


class Grade(StrEnum):
    """How well a leg stands: ``verified`` > ``recorded`` > ``weak`` > ``missing``."""

    VERIFIED = "verified"
    RECORDED = "recorded"
    WEAK = "weak"
    MISSING = "missing"

    @property
    def rank(self) -> int:
        """3 for ``verified`` down to 0 for ``missing``."""
        return (Grade.MISSING, Grade.WEAK, Grade.RECORDED, Grade.VERIFIED).index(self)


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg, graded.

    Attributes:
        reason: one or two sentences.
        digest: what the leg stands on, as ``algorithm:hex``; None where nothing names it.
        what: further facts in words, none of them a credential.
    """

    name: LegName
    grade: Grade
    reason: str
    digest: str | None = None
    what: Mapping[str, str] = field(default_factory=dict)

    def as_mapping(self) -> dict[str, str]:
        """Return the leg as JSON: ``grade``, ``reason``, then what is known."""
        digest = {} if self.digest is None else {"digest": self.digest}
        return {"grade": self.grade.value, "reason": self.reason, **digest, **self.what}
