"""The measurements of bias and performance evidence, as plain JSON.

The shape is part of signed evidence: a gate reads the counts back and judges them again by its own
criteria, so whatever decides is stored as whole numbers. 0/0 is null; NaN never appears.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audits.domain.counts import (
    MAX_GROUPS,
    MAX_NAME,
    AttributeCounts,
    Confusion,
    Counts,
    GroupCounts,
    MalformedCounts,
    Weights,
    count_faults,
    group_fault,
)
from audits.domain.intervals import Interval
from audits.domain.judgement import AttributeJudgement, BiasJudgement, GroupJudgement
from audits.domain.ll144 import publication
from audits.domain.names import canonical_group

__all__ = ["AttributeMetrics", "GroupMetrics", "counts_from_json", "to_json"]

_MATRIX = ("tp", "fp", "tn", "fn")


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """Rates of one group's confusion matrix, each in [0, 1]; None is 0/0.

    `calibration` holds for each tenth of the scores from 0 to 1 that has anybody in it: where it
    begins, how many people, their mean score, and the share of them whose label is 1.
    """

    accuracy: float | None = None
    tpr: float | None = None
    fpr: float | None = None
    fnr: float | None = None
    ppv: float | None = None
    calibration: tuple[tuple[float, int, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class AttributeMetrics:
    """Metrics of one attribute over its known groups; ideal value of the differences: 0.

    A difference is None where fewer than two groups are known, or where one of them has no value.
    """

    demographic_parity_difference: float | None = None
    equalized_odds_difference: float | None = None
    groups: Mapping[str, GroupMetrics] = field(default_factory=dict)


def to_json(
    judgement: BiasJudgement, metrics: Mapping[str, AttributeMetrics] | None = None
) -> dict[str, object]:
    """Return the measurements that a judgement stands on, `metrics` by attribute beside them.

    Law: ``counts_from_json(to_json(judge(counts, criteria))) == counts`` up to the order of
    attributes and groups. Without counts (nothing could be read) the result is empty.
    """
    counts = judgement.counts
    if counts is None:
        return {}
    found = metrics or {}
    measurements: dict[str, object] = {
        "n": counts.n,
        "favourable": counts.favourable,
        "attributes": {
            attribute.name: _attribute_json(
                attribute, found.get(attribute.name, AttributeMetrics())
            )
            for attribute in judgement.attributes
        },
    }
    if counts.cutoff:
        measurements["cutoff"] = counts.cutoff
    if counts.repeated is not None:
        measurements["repeated"] = counts.repeated
    if judgement.criteria.ll144:
        measurements["ll144"] = publication(judgement)
    return measurements


def counts_from_json(measurements: object) -> Counts | MalformedCounts:
    """Read the counts back from stored measurements, whoever wrote them.

    Only whole numbers are read; rates, ratios and verdicts beside them are not believed. Blank
    groups and every spelling of ``unknown`` are one group. Never raises: what cannot be read
    becomes `MalformedCounts`, which is judged as an error.
    """
    if not isinstance(measurements, Mapping) or not measurements:
        return MalformedCounts(("there are no measurements",))
    attributes = measurements.get("attributes")
    if not isinstance(attributes, Mapping):
        return MalformedCounts(("the measurements hold no attributes",))
    read: list[AttributeCounts] = []
    for name, attribute in attributes.items():
        groups = attribute.get("groups") if isinstance(attribute, Mapping) else None
        if not isinstance(name, str) or not isinstance(groups, Mapping):
            return MalformedCounts((f"{name!s:.80}: the measurements hold no groups",))
        if len(name) > MAX_NAME:
            return MalformedCounts((f"{name:.80}: the name has more than {MAX_NAME} characters",))
        if len(groups) > MAX_GROUPS:
            return MalformedCounts((f"{name:.80}: more than {MAX_GROUPS:,} groups",))
        counted = _groups(groups)
        if isinstance(counted, MalformedCounts):
            return MalformedCounts(tuple(f"{name:.80}: {reason}" for reason in counted.reasons))
        read.append(AttributeCounts(name, counted))
    counts = Counts(
        n=measurements.get("n"),  # type: ignore[arg-type]  # count_faults looks at every type
        favourable=measurements.get("favourable"),  # type: ignore[arg-type]
        attributes=tuple(read),
        cutoff=measurements.get("cutoff", ""),
        repeated=measurements.get("repeated"),
    )
    faults = count_faults(counts)
    return MalformedCounts(faults) if faults else counts


def _groups(
    groups: Mapping[object, object],
) -> tuple[GroupCounts, ...] | MalformedCounts:
    merged: dict[str, GroupCounts] = {}
    for written, found in groups.items():
        group = _group(written, found)
        # Before adding: a negative count must not vanish in a sum.
        fault = group_fault(group)
        if len(group.name) > MAX_NAME:
            fault = f"has a name of more than {MAX_NAME} characters"
        if fault is not None:
            return MalformedCounts((f"{group.name[:80]!r} {fault}",))
        merged[group.name] = _add(merged[group.name], group) if group.name in merged else group
    return tuple(merged.values())


def _group(written: object, found: object) -> GroupCounts:
    values = found if isinstance(found, Mapping) else {}
    matrix = [values.get(key) for key in _MATRIX]
    weights = [values.get("weight"), values.get("weight_selected")]
    return GroupCounts(
        name=canonical_group(written if isinstance(written, str) else str(written)),
        n=values.get("n"),  # type: ignore[arg-type]  # group_fault looks at every type
        selected=values.get("selected"),  # type: ignore[arg-type]
        confusion=None if all(count is None for count in matrix) else Confusion(*matrix),  # type: ignore[arg-type]
        weights=None if all(weight is None for weight in weights) else Weights(*weights),  # type: ignore[arg-type]
    )


def _add(one: GroupCounts, other: GroupCounts) -> GroupCounts:
    confusion = None
    if one.confusion is not None and other.confusion is not None:
        sums = (getattr(one.confusion, c) + getattr(other.confusion, c) for c in _MATRIX)
        confusion = Confusion(*sums)
    weights = None
    if one.weights is not None and other.weights is not None:
        weights = Weights(
            one.weights.total + other.weights.total, one.weights.selected + other.weights.selected
        )
    return GroupCounts(one.name, one.n + other.n, one.selected + other.selected, confusion, weights)


def _attribute_json(attribute: AttributeJudgement, metrics: AttributeMetrics) -> dict[str, object]:
    return {
        "judged": attribute.judged,
        "reference": attribute.reference,
        "verdict": attribute.verdict,
        "reasons": list(attribute.reasons),
        "demographic_parity_difference": metrics.demographic_parity_difference,
        "equalized_odds_difference": metrics.equalized_odds_difference,
        "unknown": {"n": attribute.unknown_n, "share": attribute.unknown_share},
        "groups": {
            group.name: _group_json(group, metrics.groups.get(group.name, GroupMetrics()))
            for group in attribute.groups
        },
    }


def _group_json(group: GroupJudgement, metrics: GroupMetrics) -> dict[str, object]:
    counts, matrix, weights = group.counts, group.counts.confusion, group.counts.weights
    found: dict[str, object] = {
        "n": counts.n,
        "share": group.share,
        "selected": counts.selected,
        "selection_rate": group.selection_rate,
        **_interval_json("rate", group.rate_interval),
        "impact_ratio": group.impact_ratio,
        **_interval_json("ratio", group.ratio_interval),
        "p_value": group.p_value,
        "p_holm": group.p_holm,
        "below": group.below,
        "verdict": group.verdict,
        **{name: getattr(metrics, name) for name in ("accuracy", "tpr", "fpr", "fnr", "ppv")},
        **{name: None if matrix is None else getattr(matrix, name) for name in _MATRIX},
    }
    if weights is not None:
        found |= {"weight": weights.total, "weight_selected": weights.selected}
    if group.excluded:
        found["excluded"] = True
    if metrics.calibration:
        found["calibration"] = [list(one) for one in metrics.calibration]
    return found


def _interval_json(name: str, interval: Interval | None) -> dict[str, object]:
    return {
        f"{name}_low": None if interval is None else interval.low,
        f"{name}_high": None if interval is None else interval.high,
    }
