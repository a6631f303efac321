"""The verdict on one comparison, with its reason in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from audits.domain.comparison import Comparison, compare, is_below, is_excluded
from audits.domain.counts import GroupCounts
from audits.domain.criteria import BiasCriteria
from audits.domain.intervals import Interval, miettinen_nurminen
from audits.domain.judgement import Conclusion
from audits.domain.wording import (
    bound_text,
    low_end_text,
    p_text,
    people_text,
    rate_text,
    ratio_text,
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict and the sentence that gives its reason."""

    verdict: Conclusion
    reason: str


def rule(
    comparison: Comparison,
    *,
    p_holm: float,
    interval: Interval | None,
    reference_is_large: bool,
    criteria: BiasCriteria,
) -> Ruling:
    """Judge one comparison: fail before insufficient before pass.

    A group that is below and significant fails however few people it has. `reference_is_large`
    says whether the reference had the people and the share that the criteria ask for.
    """
    group, reference = comparison.group, comparison.reference
    significant = p_holm < criteria.significance
    gap = f"{rate_text(group)} against {rate_text(reference)}"
    ratio = f"impact ratio {ratio_text(group, reference, criteria.impact_ratio)}"
    below = f"{ratio} is below {bound_text(criteria.impact_ratio)}"
    if comparison.below and significant:
        return Ruling("fail", f"{gap}: {below}, and significant ({p_text(p_holm)})")
    if significant and criteria.fail_on_significant_gap:
        return Ruling("fail", f"{gap}: {ratio}, and the gap is significant ({p_text(p_holm)})")
    if comparison.below:
        return Ruling("insufficient", f"{gap}: {below}, but not significant ({p_text(p_holm)})")
    noted = f"; the gap is significant ({p_text(p_holm)})" if significant else ""
    if reference.selected == 0:
        return Ruling(
            "insufficient",
            f"nobody in the reference {reference.name} was selected: no ratio",
        )
    for small in (group, reference):
        if small.n < criteria.min_group:
            return Ruling(
                "insufficient",
                f"{small.name} has only {people_text(small.n)}, "
                f"{criteria.min_group} are needed: {ratio}{noted}",
            )
    if not reference_is_large:
        return Ruling(
            "insufficient",
            f"no group has {criteria.min_group} people and "
            f"{float(criteria.min_share):.0%} of them to be the reference: {ratio}{noted}",
        )
    if criteria.standard == "demonstrated" and not _demonstrated(interval, criteria):
        return Ruling(
            "insufficient",
            f"{gap}: {ratio}, but the lower end of its {float(criteria.confidence):.0%} interval, "
            f"{low_end_text(interval, criteria.impact_ratio)}, does not reach "
            f"{bound_text(criteria.impact_ratio)}{noted}",
        )
    reached = f"{ratio} is not below {bound_text(criteria.impact_ratio)}"
    if criteria.standard == "demonstrated":
        low_end = low_end_text(interval, criteria.impact_ratio)
        reached += f", nor is the lower end of its interval, {low_end}"
    return Ruling("pass", f"{gap}: {reached}{noted}")


def worst_case(
    known: tuple[GroupCounts, ...],
    unknown: GroupCounts,
    *,
    fixed: str | None,
    criteria: BiasCriteria,
) -> str | None:
    """Say how the unknown people could turn a pass into something else; None where they cannot.

    Worst for a group is that every unknown person who was refused belongs to it, and every one who
    was selected belongs to its reference. Every group that could then be the reference is tried:
    one that only the unknown make large enough too.
    """
    people = sum(group.n for group in known) + unknown.n
    smallest = criteria.exclude_below if criteria.ll144 else criteria.min_share
    refused = unknown.n - unknown.selected
    worst: tuple[Fraction, GroupCounts, GroupCounts] | None = None
    for reference in known:
        largest = reference.n + unknown.n
        too_small = largest * smallest.denominator < smallest.numerator * people
        if (fixed is None and too_small) or (fixed is not None and reference.name != fixed):
            continue
        # Where everybody was selected, more of the same leave the rate and narrow the interval.
        added = 0 if reference.selected == reference.n else unknown.selected
        top = GroupCounts(reference.name, reference.n + added, reference.selected + added)
        for group in known:
            if group.name == reference.name or _stays_excluded(group, unknown, people, criteria):
                continue
            low = GroupCounts(group.name, group.n + refused, group.selected)
            if _survives(low, top, criteria):
                continue
            ratio = Fraction(low.selected * top.n, low.n * top.selected)
            if worst is None or ratio < worst[0]:
                worst = (ratio, low, top)
    if worst is None:
        return None
    _, low, top = worst
    text = ratio_text(low, top, criteria.impact_ratio)
    if criteria.standard == "demonstrated":
        interval = _interval(low, top, criteria)
        text += f", its lower end to {low_end_text(interval, criteria.impact_ratio)}"
    return (
        f"{people_text(unknown.n)} in no known group could at worst bring the impact ratio of "
        f"{low.name} against {top.name} to {text}"
    )


def _stays_excluded(
    group: GroupCounts, unknown: GroupCounts, people: int, criteria: BiasCriteria
) -> bool:
    """Say whether a category is excluded even if everybody unknown belongs to it."""
    return is_excluded(GroupCounts(group.name, group.n + unknown.n, 0), people, criteria)


def _survives(group: GroupCounts, reference: GroupCounts, criteria: BiasCriteria) -> bool:
    if is_below(group, reference, criteria.impact_ratio):
        return False
    if reference.selected == 0:
        # Nobody was selected here: this group cannot be the highest.
        return True
    if criteria.standard == "demonstrated" and not _demonstrated(
        _interval(group, reference, criteria), criteria
    ):
        return False
    # Unadjusted, which is the stricter reading: Holm can only make the p-value larger.
    return not criteria.fail_on_significant_gap or (
        compare(group, reference, criteria).p_value >= criteria.significance
    )


def _interval(
    group: GroupCounts, reference: GroupCounts, criteria: BiasCriteria
) -> Interval | None:
    return miettinen_nurminen(
        group.selected,
        group.n,
        reference.selected,
        reference.n,
        float(criteria.confidence),
    )


def _demonstrated(interval: Interval | None, criteria: BiasCriteria) -> bool:
    # A lower end of NaN compares as False, and so does a missing one.
    return interval is not None and interval.low >= criteria.impact_ratio
