"""The one bias audit that serves every gate of a policy on groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from audits.domain.criteria import BiasCriteria
from audits.domain.names import INTERSECTION
from registry.domain.policy_findings import GroupMetricGate
from registry.domain.policy_gates import BiasGate

if TYPE_CHECKING:
    from registry.domain.policy_gates import Gate


def audit_criteria(gates: Iterable[Gate]) -> BiasCriteria | None:
    """Give the criteria of the audit that counts whatever these gates read; None where none does.

    The thresholds are those of the first bias gate, or the shipped ones where there are only group
    metrics. The parts of an intersection are counted and judged too.
    """
    reading = [gate for gate in gates if isinstance(gate, BiasGate | GroupMetricGate)]
    bias = [gate for gate in reading if isinstance(gate, BiasGate)]
    if not reading:
        return None
    asked = [gate.attribute for gate in reading]
    shown = [name for gate in bias for name in gate.also_reported]
    pairs = dict.fromkeys(parts_of(name) for name in (*asked, *shown) if is_intersection(name))
    plain = dict.fromkeys(name for name in asked if not is_intersection(name))
    if not plain:
        plain = dict.fromkeys(part for pair in pairs for part in pair)
    first = bias[0].criteria if bias else BiasCriteria(favourable=_favourable(reading[0]))
    return replace(
        first,
        attributes=tuple(plain),
        intersections=tuple(pairs),
        gate_intersections=False,
        references=tuple(sorted({pair for gate in bias for pair in gate.criteria.references})),
    )


def is_intersection(name: str) -> bool:
    """Tell whether a name is that of an intersection, such as `race × sex`."""
    return INTERSECTION in name


def parts_of(name: str) -> tuple[str, str]:
    """Give the two attributes of an intersection's name."""
    first, _, second = name.partition(INTERSECTION)
    return first, second


def _favourable(gate: BiasGate | GroupMetricGate) -> int:
    return gate.favourable if isinstance(gate, GroupMetricGate) else gate.criteria.favourable
