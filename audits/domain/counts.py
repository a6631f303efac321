"""People counted by group: all that a bias judgement reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from audits.domain.names import UNKNOWN, canonical_group

# Far above any file that we read, and small enough that every product stays a finite float.
MAX_PEOPLE = 10**12
# Each group costs a test and an interval, and a gate judges them in a web request.
MAX_GROUPS = 1_000
MAX_NAME = 300


@dataclass(frozen=True, slots=True)
class Confusion:
    """Outcomes against labels, with the favourable outcome as the positive class."""

    tp: int
    fp: int
    tn: int
    fn: int


@dataclass(frozen=True, slots=True)
class Weights:
    """What the people of a group weigh together, and what those of them who were selected do."""

    total: float
    selected: float


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """One group: `selected` of `n` people got the favourable outcome.

    `confusion` is None where no labels are known; otherwise tp + fp = selected and the four
    add up to n. `weights` is None where everybody counts as one.
    """

    name: str
    n: int
    selected: int
    confusion: Confusion | None = None
    weights: Weights | None = None

    @property
    def rate(self) -> Fraction | None:
        """Return the share that was selected, by weight where there are weights; None is 0/0."""
        if self.weights is not None:
            return Fraction(self.weights.selected) / Fraction(self.weights.total)
        return Fraction(self.selected, self.n) if self.n else None


@dataclass(frozen=True, slots=True)
class AttributeCounts:
    """The groups of one attribute, or of one intersection (``race × sex``), unknown included."""

    name: str
    groups: tuple[GroupCounts, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Everyone, once per attribute: the groups of each attribute add up to `n`.

    Attributes:
        cutoff: how scores became predictions, by `BiasCriteria.cutoff_text`.
        repeated: rows beyond the first of each person; None where nobody looked.
    """

    n: int
    favourable: int
    attributes: tuple[AttributeCounts, ...]
    cutoff: str = ""
    repeated: int | None = None

    @property
    def is_weighted(self) -> bool:
        """Say whether people have weights: all of them, or none."""
        return any(
            group.weights is not None for attribute in self.attributes for group in attribute.groups
        )


@dataclass(frozen=True, slots=True)
class MalformedCounts:
    """Why stored measurements could not be read; judged as ``error``."""

    reasons: tuple[str, ...]


def count_faults(counts: Counts) -> tuple[str, ...]:
    """Name everything that makes counts impossible; empty when they can be judged."""
    if not _is_count(counts.n) or counts.n == 0:
        return (f"the number of people must be a whole number from 1 to {MAX_PEOPLE:,}",)
    if type(counts.favourable) is not int or counts.favourable not in (0, 1):
        return ("the favourable outcome must be 0 or 1",)
    if type(counts.cutoff) is not str or len(counts.cutoff) > MAX_NAME:
        return ("the cutoff of the scores must be text",)
    if counts.repeated is not None and not _is_count(counts.repeated):
        return ("the number of repeated rows must be a whole number",)
    names = [attribute.name for attribute in counts.attributes]
    if not names:
        return ("no attribute was counted",)
    if len(set(names)) != len(names):
        return ("an attribute was counted twice",)
    faults = tuple(
        fault for attribute in counts.attributes for fault in _attribute_faults(attribute, counts.n)
    )
    if not faults and counts.is_weighted:
        people = [group for found in counts.attributes for group in found.groups if group.n]
        if any(group.weights is None for group in people):
            return ("some groups have weights and others have none",)
    return faults


def _attribute_faults(attribute: AttributeCounts, n: int) -> list[str]:
    names = [group.name for group in attribute.groups]
    if len(names) > MAX_GROUPS:
        return [f"{attribute.name}: more than {MAX_GROUPS:,} groups"]
    if len(set(names)) != len(names):
        return [f"{attribute.name}: a group was counted twice"]
    faults = []
    for group in attribute.groups:
        fault = group_fault(group)
        if fault:
            faults.append(f"{attribute.name}: {group.name!r} {fault}")
    if not faults and sum(group.n for group in attribute.groups) != n:
        faults.append(f"{attribute.name}: the groups do not add up to all {n:,} people")
    return faults


def group_fault(group: GroupCounts) -> str | None:
    """Say what makes one group impossible, None where nothing does."""
    # "Unknown" or "" as a group of its own would be judged, or worse, be the reference.
    if group.name != UNKNOWN and canonical_group(group.name) == UNKNOWN:
        return "must be spelled 'unknown'"
    if not _is_count(group.n) or not _is_count(group.selected):
        return "needs n and selected as whole numbers"
    if group.selected > group.n:
        return "has more people selected than people"
    if group.weights is not None and not _are_weights(group.weights, group):
        return "needs weights above 0, and no more of the selected than of all"
    matrix = group.confusion
    if matrix is not None:
        if not all(_is_count(c) for c in (matrix.tp, matrix.fp, matrix.tn, matrix.fn)):
            return "needs tp, fp, tn and fn as whole numbers"
        if matrix.tp + matrix.fp != group.selected:
            return "has tp + fp other than selected"
        if matrix.tp + matrix.fp + matrix.tn + matrix.fn != group.n:
            return "has tp + fp + tn + fn other than n"
    return None


def _are_weights(weights: Weights, group: GroupCounts) -> bool:
    numbers = (weights.total, weights.selected)
    if any(isinstance(w, bool) or not isinstance(w, int | float) for w in numbers):
        return False
    # Bounded, so that no ratio of them is infinite.
    if not all(math.isfinite(w) and 0 <= w <= 1e15 for w in numbers) or weights.total < 1e-15:
        return False
    return weights.selected <= weights.total and (weights.selected > 0) == (group.selected > 0)


def _is_count(number: object) -> bool:
    # bool is an int, and True people are not a count.
    return type(number) is int and 0 <= number <= MAX_PEOPLE
