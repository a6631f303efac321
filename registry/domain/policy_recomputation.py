"""Read a recomputation gate of a policy document."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from lineage.domain.comparison import Verdict
from registry.domain.policy_gates import MetricTolerance, RecomputationGate
from registry.domain.policy_section import Section

LONGEST_METRIC: Final = 250  # MLflow's own limit
UNITS: Final = ("absolute", "relative")
_LEVELS: Final = (Verdict.IDENTICAL.value, Verdict.WITHIN_TOLERANCE.value)


def read_recomputation_gate(section: Section, shared: dict[str, Any]) -> RecomputationGate:
    """Read the verdict that is asked for, its age, and how far metrics may be apart."""
    at_least = section.choice("at_least", _LEVELS)
    tolerance = tuple(_tolerance(one) for one in section.sections("tolerance", required=False))
    if tolerance and at_least == Verdict.IDENTICAL.value:
        section.note(
            "tolerance",
            "conflict",
            "what is identical has no tolerance",
            "no tolerance, or at_least: within_tolerance",
        )
    named = [bound.metric for bound in tolerance]
    for index, name in enumerate(named):
        if name and name in named[:index]:
            section.note(
                f"tolerance[{index}].metric", "duplicate", repr(name[:80]), "each metric once"
            )
    return RecomputationGate(
        **{"max_age_days": section.whole("max_age_days", least=1, most=3650), **shared},
        at_least=Verdict(at_least or Verdict.IDENTICAL.value),
        tolerance=tolerance,
        negative_control=section.flag("negative_control", default=True),
        # Documents from before there was one mean what they meant.
        near_control=section.flag("near_control", default=False),
    )


def _tolerance(section: Section) -> MetricTolerance:
    metric = section.text("metric")
    if len(metric) > LONGEST_METRIC:
        section.note("metric", "type", repr(metric[:80]), f"at most {LONGEST_METRIC} characters")
    bound = MetricTolerance(
        metric=metric,
        at_most=section.exact("at_most", least=Fraction(0), most=Fraction(1_000_000)),
        unit=section.choice("unit", UNITS),
    )
    # A tenth of what was recorded is another model already.
    if bound.unit == "relative" and bound.at_most > Fraction(1, 10):
        section.note("at_most", "out_of_range", str(bound.at_most), "at most 0.1 where relative")
    section.close()
    return bound
