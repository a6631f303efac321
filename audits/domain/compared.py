"""An attribute's groups, each against the reference, with p-values adjusted over the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audits.domain.comparison import (
    Comparison,
    choose_reference,
    compare,
    is_excluded,
    is_large_enough,
)
from audits.domain.counts import AttributeCounts, GroupCounts
from audits.domain.criteria import BiasCriteria
from audits.domain.names import UNKNOWN
from audits.domain.significance import holm


@dataclass(frozen=True, slots=True)
class Compared:
    """An attribute's groups and the comparisons with their reference, before Holm.

    A group without people is none, and what the criteria exclude is compared with nobody: `known`
    leaves out both. Weighted groups have a reference and no comparisons.
    """

    known: tuple[GroupCounts, ...]
    excluded: tuple[GroupCounts, ...]
    unknown: GroupCounts
    reference: GroupCounts | None
    reference_is_large: bool
    comparisons: tuple[Comparison, ...]


def compare_attribute(attribute: AttributeCounts, criteria: BiasCriteria) -> Compared:
    """Choose an attribute's reference and compare every other group with it."""
    named = sorted(
        (group for group in attribute.groups if group.name != UNKNOWN and group.n),
        key=lambda group: group.name,
    )
    people = sum(group.n for group in named)
    excluded = tuple(group for group in named if is_excluded(group, people, criteria))
    known = tuple(group for group in named if group not in excluded)
    unknown = next((g for g in attribute.groups if g.name == UNKNOWN), GroupCounts(UNKNOWN, 0, 0))
    fixed = criteria.reference_of(attribute.name)
    reference = choose_reference(known, criteria, fixed=fixed)
    if reference is None:
        return Compared(known, excluded, unknown, None, False, ())
    others = (group for group in known if group.name != reference.name and group.weights is None)
    return Compared(
        known,
        excluded,
        unknown,
        reference,
        # A fixed reference needs the people, which each comparison looks at, but no share.
        fixed is not None or criteria.ll144 or is_large_enough(reference, people, criteria),
        tuple(compare(group, reference, criteria) for group in others),
    )


def adjust(
    compared: Mapping[str, Compared], gated: tuple[str, ...], criteria: BiasCriteria
) -> dict[str, dict[str, float]]:
    """Adjust p-values over each family; what is only reported is a family of its own."""
    families: list[tuple[str, ...]] = [(name,) for name in compared]
    if criteria.family == "audit":
        families = [gated, *((name,) for name in compared if name not in gated)]
    adjusted: dict[str, dict[str, float]] = {name: {} for name in compared}
    for family in families:
        members = [
            (name, comparison) for name in family for comparison in compared[name].comparisons
        ]
        p_values = holm(tuple(comparison.p_value for _, comparison in members))
        for (name, comparison), p_holm in zip(members, p_values, strict=True):
            adjusted[name][comparison.group.name] = p_holm
    return adjusted
