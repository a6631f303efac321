"""The one bias audit that serves every gate of a policy on groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from audits.domain.criteria import BiasCriteria
from audits.domain.names import INTERSECTION
from registry.domain.policy_findings import GroupMetricGate
from registry.domain.policy_gates import BiasGate, PublishedAuditGate

if TYPE_CHECKING:
    from registry.domain.policy_gates import Gate


CountsGate = BiasGate | GroupMetricGate | PublishedAuditGate
"""A gate that reads people counted by group."""


def audit_criteria(gates: Iterable[Gate]) -> BiasCriteria | None:
    """Give the criteria of the audit that counts whatever these gates read; None where none does.

    The thresholds are those of the first bias gate, or the shipped ones where there is none. The
    parts of an intersection are counted and judged too. Where tables are published, the audit is
    made as these are.
    """
    reading = [gate for gate in gates if isinstance(gate, CountsGate)]
    bias = [gate for gate in reading if isinstance(gate, BiasGate)]
    published = [gate for gate in reading if isinstance(gate, PublishedAuditGate)]
    if not reading:
        return None
    asked = [name for gate in reading for name in judged_names(gate)]
    shown = [name for gate in bias for name in gate.also_reported]
    pairs = dict.fromkeys(parts_of(name) for name in (*asked, *shown) if is_intersection(name))
    plain = dict.fromkeys(name for name in asked if not is_intersection(name))
    if not plain:
        plain = dict.fromkeys(part for pair in pairs for part in pair)
    first = bias[0].criteria if bias else BiasCriteria(favourable=favourable_of(reading[0]))
    references = {pair for gate in bias for pair in gate.criteria.references}
    if published:
        first, references = published[0].criteria, set()
    return replace(
        first,
        attributes=tuple(plain),
        intersections=tuple(pairs),
        gate_intersections=False,
        references=tuple(sorted(references)),
    )


def is_intersection(name: str) -> bool:
    """Tell whether a name is that of an intersection, such as `race × sex`."""
    return INTERSECTION in name


def parts_of(name: str) -> tuple[str, str]:
    """Give the two attributes of an intersection's name."""
    first, _, second = name.partition(INTERSECTION)
    return first, second


def judged_names(gate: CountsGate) -> tuple[str, ...]:
    """Give the attributes and intersections that a gate judges, or has tables of."""
    return gate.tables if isinstance(gate, PublishedAuditGate) else (gate.attribute,)


def favourable_of(gate: CountsGate) -> int:
    """Give the outcome that counts as the favourable one."""
    return gate.favourable if isinstance(gate, GroupMetricGate) else gate.criteria.favourable
