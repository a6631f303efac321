"""What one gate came to, and the words and plain numbers in which it says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from registry.domain.moments import rfc3339
from registry.domain.words import GateKind, GateOutcome

PlainValue = float | int | str | None

_LONGEST_TEXT = 300
_OF_WAIVERS = ("waived_outcome", "waiver_digest")


@dataclass(frozen=True, slots=True)
class GateResult:
    """The outcome of one gate, for a reviewer and for a program.

    `reason` is one sentence in plain words. `expected` and `actual` are plain numbers or words,
    None where there is nothing to say. `evidence_digest` names the evidence that was read, None
    where there was none. `details` is JSON-able and holds the numbers behind the sentence.
    `reads` names the kinds of evidence where the gate's own kind does not say which; `members` are
    the results of the gates inside it.
    """

    id: str
    kind: GateKind
    title: str
    outcome: GateOutcome
    reason: str
    expected: PlainValue = None
    actual: PlainValue = None
    evidence_digest: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    members: tuple[GateResult, ...] = ()

    @property
    def shows_something(self) -> bool:
        """Tell whether evidence holds, or may come to, here or in a gate that decides here.

        A waiver of the whole does not take away what is satisfied inside it.
        """
        if self.outcome in (GateOutcome.SATISFIED, GateOutcome.PENDING):
            return True
        return self.outcome is GateOutcome.WAIVED and any(
            member.outcome is not GateOutcome.PENDING and member.shows_something
            for member in self.members
        )

    @property
    def satisfied(self) -> bool:
        """Tell whether the gate is satisfied; a waiver or `not_applicable` is not."""
        return self.outcome is GateOutcome.SATISFIED

    def waived_until(self, until: datetime, waiver_digest: str) -> GateResult:
        """Give this result under a waiver: what was found stays in sight."""
        return replace(
            self,
            outcome=GateOutcome.WAIVED,
            reason=f"Waived until {rfc3339(until)}; without the waiver: {self.reason}",
            details={
                **self.details,
                "waived_outcome": self.outcome.value,
                "waiver_digest": waiver_digest,
            },
        )

    def without_numbers(self) -> GateResult:
        """Give this result with those details alone that say what was waived, and by what."""
        kept = {name: self.details[name] for name in _OF_WAIVERS if name in self.details}
        return replace(
            self,
            details={**kept, "left_out": True},
            members=tuple(member.without_numbers() for member in self.members),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Give the result as JSON-able values.

        `reads` and `gates` are left out where there are none, as before there were such gates.
        """
        mapping: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind.value,
            "title": self.title,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "expected": self.expected,
            "actual": self.actual,
            "evidence_digest": self.evidence_digest,
            "details": dict(self.details),
        }
        if self.reads:
            mapping["reads"] = list(self.reads)
        if self.members:
            mapping["gates"] = [member.to_mapping() for member in self.members]
        return mapping


def flattened_results(results: Iterable[GateResult]) -> Iterator[GateResult]:
    """Give every result, and every one inside another, in the order of the policy."""
    for result in results:
        yield result
        yield from flattened_results(result.members)


def plain_number(exact: Fraction | None) -> float | None:
    """Give the nearest float of an exact number; None stays None."""
    return None if exact is None else float(exact)


def number_text(value: Fraction, beside: Fraction | None = None) -> str:
    """Write a number in three decimals, or in as many as tell it from the one `beside` it.

    So that no reviewer reads "0.800, which is less than 0.800". At most twelve decimals.
    """
    for places in range(3, 12):
        text = _rounded(value, places)
        if beside is None or beside == value or text != _rounded(beside, places):
            return text
    return _rounded(value, 12)


def plain_text(text: str) -> str:
    """Make text from evidence fit to show and to store: printable, and not long."""
    printable = text
    if not text.isprintable():
        printable = "".join(one if one.isprintable() else "\ufffd" for one in text)
    return printable if len(printable) <= _LONGEST_TEXT else printable[: _LONGEST_TEXT - 1] + "…"


def _rounded(value: Fraction, places: int) -> str:
    scaled = round(value * 10**places)
    digits = f"{abs(scaled):0{places + 1}d}"
    fraction = digits[-places:].rstrip("0")
    sign = "-" if scaled < 0 else ""
    return f"{sign}{digits[:-places]}" + (f".{fraction}" if fraction else "")
