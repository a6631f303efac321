"""The bias rule: which gaps between groups fail, which numbers are too small to say.

A group has k favourable outcomes of n, its reference K of N. Everything that decides is computed
from those integers. Law of every function here: pure and total; what cannot be judged is ``error``
or ``insufficient``, never a pass.

Sources: 29 CFR 1607.4(D) and 1607.15A(2)(a); Miettinen and Nurminen (1985); Holm (1979);
Berger (1982) for why "every group demonstrates" needs no correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from audits.domain.comparison import (
    Comparison,
    choose_reference,
    compare,
    is_large_enough,
)
from audits.domain.counts import (
    AttributeCounts,
    Confusion,
    Counts,
    GroupCounts,
    MalformedCounts,
    count_faults,
)
from audits.domain.criteria import BiasCriteria, CriteriaError
from audits.domain.intervals import miettinen_nurminen, wilson
from audits.domain.judgement import (
    PRECEDENCE,
    AttributeJudgement,
    BiasJudgement,
    Conclusion,
    GroupJudgement,
    worst,
)
from audits.domain.names import UNKNOWN, intersection_name
from audits.domain.significance import holm
from audits.domain.verdict import Ruling, rule, worst_case
from audits.domain.wording import people_text, percent

__all__ = [
    "AttributeCounts",
    "AttributeJudgement",
    "BiasCriteria",
    "BiasJudgement",
    "Conclusion",
    "Confusion",
    "Counts",
    "CriteriaError",
    "GroupCounts",
    "GroupJudgement",
    "MalformedCounts",
    "impact_ratios",
    "judge",
]


def judge(counts: Counts | MalformedCounts, criteria: BiasCriteria) -> BiasJudgement:
    """Judge counted people by the criteria.

    The conclusion is the first that any judged attribute has of ``error``, ``fail``,
    ``insufficient``, ``pass``. An attribute that should be judged and was not counted is an error.
    The order of attributes and groups makes no difference.
    """
    faults = counts.reasons if isinstance(counts, MalformedCounts) else count_faults(counts)
    if isinstance(counts, MalformedCounts) or faults:
        return _error(faults or ("the measurements cannot be read",), criteria)
    if counts.favourable != criteria.favourable:
        asked = f"the criteria ask for the favourable outcome {criteria.favourable}"
        return _error((f"{asked}, measured was {counts.favourable}",), criteria, counts)
    counted = {attribute.name: attribute for attribute in counts.attributes}
    pairs = tuple(intersection_name(pair) for pair in criteria.intersections)
    gated = (*criteria.attributes, *(pairs if criteria.gate_intersections else ()))
    missing = [name for name in gated if name not in counted]
    if missing:
        return _error(
            tuple(f"{name} is judged but was not measured" for name in missing),
            criteria,
            counts,
        )
    order = (*gated, *sorted(name for name in counted if name not in gated))
    compared = {name: _compare_attribute(counted[name], criteria) for name in order}
    adjusted = _adjust(compared, gated, criteria)
    judgements = tuple(
        _judge_attribute(
            counted[name],
            compared[name],
            adjusted[name],
            criteria,
            judged=name in gated,
        )
        for name in order
    )
    reasons = [
        f"{judgement.name}: {reason}"
        for judgement in judgements
        if judgement.judged
        for reason in judgement.reasons
    ]
    reasons += [f"{name} was not measured" for name in pairs if name not in counted]
    return BiasJudgement(
        conclusion=worst(tuple(found.verdict for found in judgements if found.judged)),
        reasons=tuple(reasons),
        attributes=judgements,
        criteria=criteria,
        counts=counts,
    )


def impact_ratios(rates: Mapping[str, Fraction]) -> dict[str, Fraction | None]:
    """Return each rate over the highest one, for rates published without counts.

    Rates alone have ratios and no verdict: nobody knows how many people they stand on. None where
    the highest rate is 0.
    """
    highest = max(rates.values(), default=Fraction(0))
    return {name: rate / highest if highest else None for name, rate in rates.items()}


def _error(
    reasons: tuple[str, ...], criteria: BiasCriteria, counts: Counts | None = None
) -> BiasJudgement:
    return BiasJudgement("error", reasons, (), criteria, counts)


@dataclass(frozen=True, slots=True)
class _Compared:
    """An attribute's groups and the comparisons with their reference, before Holm.

    A group without people is none: `known` leaves it out.
    """

    known: tuple[GroupCounts, ...]
    unknown: GroupCounts
    reference: GroupCounts | None
    reference_is_large: bool
    comparisons: tuple[Comparison, ...]


def _compare_attribute(attribute: AttributeCounts, criteria: BiasCriteria) -> _Compared:
    known = tuple(
        sorted(
            (group for group in attribute.groups if group.name != UNKNOWN and group.n),
            key=lambda group: group.name,
        )
    )
    unknown = next((g for g in attribute.groups if g.name == UNKNOWN), GroupCounts(UNKNOWN, 0, 0))
    fixed = criteria.reference_of(attribute.name)
    reference = choose_reference(known, criteria, fixed=fixed)
    if reference is None:
        return _Compared(known, unknown, None, False, ())
    people = sum(group.n for group in known)
    others = (group for group in known if group.name != reference.name)
    return _Compared(
        known,
        unknown,
        reference,
        # A fixed reference needs the people, which each comparison looks at, but no share.
        fixed is not None or is_large_enough(reference, people, criteria),
        tuple(compare(group, reference, criteria) for group in others),
    )


def _adjust(
    compared: Mapping[str, _Compared], gated: tuple[str, ...], criteria: BiasCriteria
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


def _judge_attribute(
    attribute: AttributeCounts,
    compared: _Compared,
    adjusted: Mapping[str, float],
    criteria: BiasCriteria,
    *,
    judged: bool,
) -> AttributeJudgement:
    people = sum(group.n for group in attribute.groups)
    reference, unknown = compared.reference, compared.unknown
    comparisons = {comparison.group.name: comparison for comparison in compared.comparisons}
    groups = tuple(
        _judge_group(
            group,
            comparisons.get(group.name),
            adjusted.get(group.name),
            compared,
            people,
            criteria,
        )
        for group in sorted(attribute.groups, key=lambda g: (g.name == UNKNOWN, g.name))
    )
    rulings = _attribute_rulings(attribute.name, compared, people, criteria)
    # The sentences that decide come first, whatever the groups are called.
    rulings += [Ruling(g.verdict, g.reason) for g in groups if g.verdict and g.reason]
    if unknown.n and worst(tuple(ruling.verdict for ruling in rulings)) == "pass":
        fixed = criteria.reference_of(attribute.name)
        flip = worst_case(compared.known, unknown, fixed=fixed, criteria=criteria)
        if flip is not None:
            rulings.append(Ruling("insufficient", flip))
    rulings.sort(key=lambda ruling: PRECEDENCE.index(ruling.verdict))
    return AttributeJudgement(
        name=attribute.name,
        judged=judged,
        reference=None if reference is None else reference.name,
        verdict=worst(tuple(ruling.verdict for ruling in rulings)),
        reasons=tuple(ruling.reason for ruling in rulings),
        unknown_n=unknown.n,
        unknown_share=unknown.n / people,
        groups=groups,
    )


def _attribute_rulings(
    name: str, compared: _Compared, people: int, criteria: BiasCriteria
) -> list[Ruling]:
    """Rule on what concerns an attribute as a whole."""
    rulings = []
    fixed = criteria.reference_of(name)
    if fixed is not None and compared.reference is None:
        rulings.append(Ruling("error", f"nobody is in the reference group {fixed}"))
    elif len(compared.known) < 2:
        rulings.append(Ruling("insufficient", "fewer than two groups to compare"))
    limit, unknown = criteria.max_unknown_share, compared.unknown
    if unknown.n * limit.denominator > limit.numerator * people:
        rulings.append(
            Ruling(
                "insufficient",
                f"{people_text(unknown.n)} of {people:,} ({percent(unknown.n, people)}) are in no "
                f"known group, more than {percent(limit.numerator, limit.denominator)}",
            )
        )
    return rulings


def _judge_group(
    group: GroupCounts,
    comparison: Comparison | None,
    p_holm: float | None,
    compared: _Compared,
    people: int,
    criteria: BiasCriteria,
) -> GroupJudgement:
    confidence = float(criteria.confidence)
    k, n, reference = group.selected, group.n, compared.reference
    ratio = interval = ruling = None
    if reference is not None and reference.selected and n and group.name != UNKNOWN:
        ratio = (k * reference.n) / (n * reference.selected)
    if comparison is not None and p_holm is not None and reference is not None:
        interval = miettinen_nurminen(k, n, reference.selected, reference.n, confidence)
        ruling = rule(
            comparison,
            p_holm=p_holm,
            interval=interval,
            reference_is_large=compared.reference_is_large,
            criteria=criteria,
        )
    return GroupJudgement(
        counts=group,
        share=n / people,
        selection_rate=k / n if n else None,
        rate_interval=wilson(k, n, confidence=confidence),
        impact_ratio=ratio,
        ratio_interval=interval,
        p_value=None if comparison is None else comparison.p_value,
        p_holm=p_holm,
        below=comparison is not None and comparison.below,
        verdict=None if ruling is None else ruling.verdict,
        reason=None if ruling is None else ruling.reason,
    )
