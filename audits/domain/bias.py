"""The bias rule: which gaps between groups fail, which numbers are too small to say.

A group has k favourable outcomes of n, its reference K of N. Everything that decides is computed
from those integers. Law of every function here: pure and total; what cannot be judged is ``error``
or ``insufficient``, never a pass.

Sources: 29 CFR 1607.4(D) and 1607.15A(2)(a); Miettinen and Nurminen (1985); Holm (1979);
Berger (1982) for why "every group demonstrates" needs no correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from audits.domain.compared import Compared, adjust, compare_attribute
from audits.domain.comparison import Comparison
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
    otherwise = _measured_otherwise(counts, criteria)
    if otherwise:
        return _error(otherwise, criteria, counts)
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
    compared = {name: compare_attribute(counted[name], criteria) for name in order}
    adjusted = adjust(compared, gated, criteria)
    common = _common_rulings(counts)
    judgements = tuple(
        _judge_attribute(
            counted[name],
            compared[name],
            adjusted[name],
            criteria,
            judged=name in gated,
            common=common,
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


def _judge_attribute(
    attribute: AttributeCounts,
    compared: Compared,
    adjusted: Mapping[str, float],
    criteria: BiasCriteria,
    *,
    judged: bool,
    common: list[Ruling],
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
    rulings = [*common, *_attribute_rulings(attribute.name, compared, people, criteria)]
    # The sentences that decide come first, whatever the groups are called.
    rulings += [Ruling(g.verdict, g.reason) for g in groups if g.verdict and g.reason]
    if unknown.n and worst(tuple(ruling.verdict for ruling in rulings)) == "pass":
        fixed = criteria.reference_of(attribute.name)
        everyone = (*compared.known, *compared.excluded)
        flip = worst_case(everyone, unknown, fixed=fixed, criteria=criteria)
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


def _measured_otherwise(counts: Counts, criteria: BiasCriteria) -> tuple[str, ...]:
    """Say in what the measurements answer another question than the criteria ask."""
    faults = []
    if counts.favourable != criteria.favourable:
        asked = f"the criteria ask for the favourable outcome {criteria.favourable}"
        faults.append(f"{asked}, measured was {counts.favourable}")
    if counts.cutoff != criteria.cutoff_text:
        found, asked = (
            f"scores by the cutoff {cutoff}" if cutoff else "decisions"
            for cutoff in (counts.cutoff, criteria.cutoff_text)
        )
        faults.append(f"the criteria ask for {asked}, measured were {found}")
    if counts.is_weighted != (criteria.weight is not None):
        faults.append(
            "the measurements have weights and the criteria name none"
            if counts.is_weighted
            else f"the criteria name the weights {criteria.weight}, the measurements have none"
        )
    if criteria.person is not None and counts.repeated is None:
        faults.append("nobody counted how many rows are of one person")
    return tuple(faults)


def _common_rulings(counts: Counts) -> list[Ruling]:
    """Rule on what keeps every attribute from being concluded on."""
    rulings = []
    if counts.is_weighted:
        rulings.append(
            Ruling(
                "insufficient",
                "rates are weighted, and no interval that fits the sample's design is known",
            )
        )
    if counts.repeated:
        rulings.append(
            Ruling(
                "insufficient",
                f"{counts.repeated:,} of {counts.n:,} rows are further rows of the same people, "
                "so that the tests, which take each for another person, say too much",
            )
        )
    return rulings


def _attribute_rulings(
    name: str, compared: Compared, people: int, criteria: BiasCriteria
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
    compared: Compared,
    people: int,
    criteria: BiasCriteria,
) -> GroupJudgement:
    confidence = float(criteria.confidence)
    k, n, rate, reference = group.selected, group.n, group.rate, compared.reference
    excluded = group in compared.excluded
    ratio = interval = ruling = None
    highest = None if reference is None else reference.rate
    if highest and group.name != UNKNOWN and not excluded:
        ratio = None if rate is None else float(rate / highest)
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
        selection_rate=None if rate is None else float(rate),
        rate_interval=None if group.weights else wilson(k, n, confidence=confidence),
        impact_ratio=ratio,
        ratio_interval=interval,
        p_value=None if comparison is None else comparison.p_value,
        p_holm=p_holm,
        below=comparison is not None and comparison.below,
        verdict=None if ruling is None else ruling.verdict,
        reason=None if ruling is None else ruling.reason,
        excluded=excluded,
    )
