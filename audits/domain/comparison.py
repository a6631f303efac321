"""One group compared with its reference, in exact integers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from audits.domain.counts import GroupCounts
from audits.domain.criteria import BiasCriteria
from audits.domain.significance import fisher_exact, score_test


@dataclass(frozen=True, slots=True)
class Comparison:
    """A group against its reference; `p_value` is two-sided and not yet adjusted."""

    group: GroupCounts
    reference: GroupCounts
    below: bool
    p_value: float


def is_below(group: GroupCounts, reference: GroupCounts, bound: Fraction) -> bool:
    """Say whether a group's rate is under the bound's share of the reference's.

    For four fifths: 5kN < 4Kn. Exactly four fifths is not below, which floats get wrong.
    """
    return (
        bound.denominator * group.selected * reference.n
        < bound.numerator * reference.selected * group.n
    )


def compare(group: GroupCounts, reference: GroupCounts, criteria: BiasCriteria) -> Comparison:
    """Compare two groups that are not empty.

    "Up to 10,000 people" counts the people of the comparison: the group and its reference.
    """
    exact = group.n + reference.n <= criteria.exact_up_to
    test = fisher_exact if exact else score_test
    return Comparison(
        group=group,
        reference=reference,
        below=is_below(group, reference, criteria.impact_ratio),
        p_value=test(group.selected, group.n, reference.selected, reference.n),
    )


def is_large_enough(group: GroupCounts, known_people: int, criteria: BiasCriteria) -> bool:
    """Say whether a group may be the reference: enough people, and enough of the share.

    The share is of the people whose group is known, so that adding unknown people cannot push the
    group with the highest rate out of the comparison.
    """
    share = criteria.min_share
    return (
        group.n >= criteria.min_group
        and group.n * share.denominator >= share.numerator * known_people
    )


def is_excluded(group: GroupCounts, known_people: int, criteria: BiasCriteria) -> bool:
    """Say whether a category is so small that the criteria leave it out of every comparison.

    Of the people whose group is known, as `is_large_enough` does: more unknown people must not
    make a group that fails disappear.
    """
    bound = criteria.exclude_below
    return group.n * bound.denominator < bound.numerator * known_people


def choose_reference(
    known: tuple[GroupCounts, ...], criteria: BiasCriteria, *, fixed: str | None
) -> GroupCounts | None:
    """Return the group that the others are compared with, None where there is none.

    The fixed one if the policy names it; else the highest rate among groups that are large enough.
    Where none is, the highest of all is shown and nothing passes. Local Law 144 takes the highest,
    however small. Ties go to the larger group, then to the name.
    """
    if fixed is not None:
        return next((group for group in known if group.name == fixed), None)
    people = sum(group.n for group in known)
    large = [group for group in known if is_large_enough(group, people, criteria)]
    return min(
        known if criteria.ll144 else large or known,
        key=lambda group: (-(group.rate or Fraction(0)), -group.n, group.name),
        default=None,
    )
