"""Read the gates on groups of a policy document; faults are noted in the section."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from audits.domain.bias import BiasCriteria, CriteriaError
from audits.domain.criteria import HIGHEST
from audits.domain.names import INTERSECTION
from registry.domain.group_metrics import DIFFERENCE, GROUP_METRICS, UNITS
from registry.domain.policy_audit import is_intersection, parts_of
from registry.domain.policy_bias_scope import read_cutoff, read_exclusion, read_scope
from registry.domain.policy_findings import GroupMetricGate
from registry.domain.policy_gates import BiasGate, PublishedAuditGate
from registry.domain.policy_section import Section

_PAIR = f"two different attributes joined by {INTERSECTION!r}, such as 'race × sex'"


def read_bias_gate(section: Section, shared: dict[str, Any]) -> BiasGate:
    """Read the bias rule on one attribute or intersection, with all of its thresholds."""
    attribute = _attribute(section)
    return BiasGate(
        **shared,
        attribute=attribute,
        criteria=_criteria(section.section("criteria"), attribute or "attribute"),
        also_reported=_also_reported(section),
    )


def read_group_metric_gate(section: Section, shared: dict[str, Any]) -> GroupMetricGate:
    """Read a group metric with its bound: the most of a difference, the least of a ratio."""
    name = section.choice("metric", sorted(GROUP_METRICS))
    metric = GROUP_METRICS.get(name)
    units = sorted(UNITS.values()) if metric is None else [metric.unit]
    # A bound of a half is none; without its metric nobody knows which bound it should have.
    if metric is None:
        bound = Fraction(0)
        section.plain("at_most")
        section.plain("at_least")
    elif metric.aspect == DIFFERENCE:
        bound = section.exact("at_most", least=Fraction(0), most=Fraction(1, 2))
    else:
        bound = section.exact("at_least", least=Fraction(1, 2), most=Fraction(1))
    return GroupMetricGate(
        **shared,
        metric=name,
        attribute=_attribute(section),
        bound=bound,
        unit=section.choice("unit", units),
        favourable=section.whole("favourable", least=0, most=1),
        min_group=section.whole("min_group", least=1, most=1_000_000),
        max_unknown_share=section.exact(
            "max_unknown_share", least=Fraction(0), most=Fraction(1, 2)
        ),
    )


def read_published_audit_gate(section: Section, shared: dict[str, Any]) -> PublishedAuditGate:
    """Read of which attributes and intersections there are tables, and how these are made."""
    noted = len(section.problems)
    tables = section.texts("tables")
    for index, name in enumerate(tables):
        if INTERSECTION.strip() in name and not _is_pair(name):
            section.note(f"tables[{index}]", "type", repr(name[:80]), f"one attribute, or {_PAIR}")
    plain = [name for name in tables if not is_intersection(name)]
    if not plain:
        section.note("tables", "empty", "no attribute has a table", "at least one attribute")
    values: dict[str, object] = {
        "attributes": plain or ["attribute"],
        "intersections": [list(parts_of(name)) for name in tables if _is_pair(name)],
        "ll144": True,
        "favourable": section.whole("favourable", least=0, most=1),
        **read_cutoff(section),
        **read_exclusion(section),
    }
    is_read = len(section.problems) == noted
    # Whatever was noted stops the policy; these criteria only stand in for it.
    criteria = _built(section, values) if is_read else BiasCriteria()
    return PublishedAuditGate(**shared, tables=tables, criteria=criteria)


def _built(section: Section, values: dict[str, object]) -> BiasCriteria:
    try:
        return BiasCriteria.from_mapping(values)
    except CriteriaError as error:
        section.note(error.path, "criteria", "it cannot be judged by", error.expected)
        return BiasCriteria()


def _attribute(section: Section) -> str:
    name = section.text("attribute")
    mark = INTERSECTION.strip()
    if mark in name and not _is_pair(name):
        section.note("attribute", "type", repr(name[:80]), f"one attribute, or {_PAIR}")
        return ""
    return name


def _is_pair(name: str) -> bool:
    parts = name.split(INTERSECTION)
    mark = INTERSECTION.strip()
    are_names = all(part.strip() == part and part and mark not in part for part in parts)
    return len(parts) == 2 and parts[0] != parts[1] and are_names


def _also_reported(section: Section) -> tuple[str, ...]:
    names = section.texts("also_reported")
    for index, name in enumerate(names):
        if not _is_pair(name):
            section.note(f"also_reported[{index}]", "type", repr(name[:80]), _PAIR)
    return names


def _criteria(section: Section, attribute: str) -> BiasCriteria:
    """Read the bias rule's thresholds; every one must be written, for none may be in the code."""
    noted = len(section.problems)
    judged = _judged(attribute)
    values: dict[str, object] = {
        **judged,
        "standard": section.choice("standard", ("screening", "demonstrated")),
        "favourable": section.whole("favourable", least=0, most=1),
        "impact_ratio": section.exact("impact_ratio", least=Fraction(1, 2), most=Fraction(1)),
        "significance": section.exact(
            "significance", least=Fraction(1, 10_000), most=Fraction(1, 4)
        ),
        "confidence": section.exact(
            "confidence", least=Fraction(1, 2), most=Fraction(9_999, 10_000)
        ),
        "min_group": section.whole("min_group", least=1, most=1_000_000),
        "min_share": section.exact("min_share", least=Fraction(0), most=Fraction(1, 4)),
        "max_unknown_share": section.exact(
            "max_unknown_share", least=Fraction(0), most=Fraction(1, 2)
        ),
    }
    reference = section.text("reference")
    if reference != HIGHEST and is_intersection(attribute):
        section.note("reference", "unknown_value", repr(reference[:80]), HIGHEST)
    elif reference != HIGHEST:
        values["reference"] = {attribute: reference}
    if section.has("exact_up_to"):
        values["exact_up_to"] = section.whole("exact_up_to", least=0, most=20_000)
    if section.has("fail_on_significant_gap"):
        values["fail_on_significant_gap"] = section.flag("fail_on_significant_gap", default=False)
    values |= read_scope(section)
    section.close()
    if len(section.problems) > noted:
        # Whatever was noted stops the policy; these criteria only stand in for it.
        return BiasCriteria.from_mapping(judged)
    try:
        return BiasCriteria.from_mapping(values)
    except CriteriaError as error:
        section.note(error.path, "criteria", "it cannot be judged by", error.expected)
        return BiasCriteria.from_mapping(judged)


def _judged(attribute: str) -> dict[str, object]:
    if not is_intersection(attribute):
        return {"attributes": [attribute]}
    pair = parts_of(attribute)
    return {"attributes": [pair[0]], "intersections": [list(pair)], "gate_intersections": True}
