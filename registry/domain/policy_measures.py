"""Read the lineage and metric gates of a policy document; faults are noted in the section."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from registry.domain.metrics import METRICS
from registry.domain.policy_gates import (
    LegRequirement,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
)
from registry.domain.policy_section import Section
from registry.domain.words import Grade, Leg

MAX_ROWS_ASKED = 1_000_000_000


def read_lineage_gate(section: Section, shared: dict[str, Any]) -> LineageGate:
    """Read the least grade of each leg that is named; at least one is."""
    return LineageGate(**shared, legs=_legs(section))


def _legs(section: Section) -> tuple[LegRequirement, ...]:
    legs = section.section("legs")
    grades = [grade.value for grade in Grade if grade is not Grade.MISSING]
    found = tuple(
        LegRequirement(leg, Grade(legs.choice(leg.value, grades) or Grade.VERIFIED.value))
        for leg in Leg
        if legs.has(leg.value)
    )
    if section.has("legs") and not found:
        section.note("legs", "empty", "no leg is named", "at least one leg and its least grade")
    for leg in Leg:
        legs.plain(leg.value)
    legs.close()
    return found


def read_metric_floor_gate(section: Section, shared: dict[str, Any]) -> MetricFloorGate:
    """Read a metric, its unit, its floor and the rows that it is measured on at least."""
    metric, unit = _metric(section)
    return MetricFloorGate(
        **shared,
        metric=metric,
        at_least=section.exact("at_least", least=Fraction(1, 1000), most=Fraction(1)),
        unit=unit,
        min_rows=section.whole("min_rows", least=1, most=MAX_ROWS_ASKED),
    )


def read_not_worse_gate(section: Section, shared: dict[str, Any]) -> NotWorseThanChampionGate:
    """Read a metric, its unit, the most that it may drop and the rows that it is measured on."""
    metric, unit = _metric(section)
    return NotWorseThanChampionGate(
        **shared,
        metric=metric,
        # A drop of a half would let a coin replace a perfect champion.
        at_most_drop=section.exact("at_most_drop", least=Fraction(0), most=Fraction(1, 4)),
        unit=unit,
        min_rows=section.whole("min_rows", least=1, most=MAX_ROWS_ASKED),
    )


def _metric(section: Section) -> tuple[str, str]:
    metric = section.choice("metric", sorted(METRICS))
    units = [METRICS[metric].unit] if metric else sorted({m.unit for m in METRICS.values()})
    return metric, section.choice("unit", units)
