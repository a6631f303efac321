"""The reported evidence gate: what another tool measured fits a schema and keeps its bounds.

Evidence of kind ``reported:<type>`` records whatever its type says. A bound reads
``{"value": number, "unit": unit}`` at a JSON pointer of it.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_reading import gate_result, own_finding, unread, unreliable
from registry.domain.gate_result import GateResult, number_text, plain_text
from registry.domain.json_schema import (
    Unjudgeable,
    exact_values,
    first_mismatch,
    number_of,
    value_at,
)
from registry.domain.policy import Policy
from registry.domain.policy_findings import ReportedBound, ReportedEvidenceGate
from registry.domain.readable import Unreadable
from registry.domain.words import GateOutcome


def judge_reported(
    policy: Policy, gate: ReportedEvidenceGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge reported measurements by the gate's schema and bounds. Never raises.

    `expected` and `actual` count bounds that are kept. What does not fit the schema, has another
    unit or is no finite number is insufficient, unless another bound is broken already.
    """
    expected = len(gate.compare)
    item = own_finding(policy, gate, view, gate.evidence_kind, as_of=as_of)
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    try:
        values = exact_values(item.measurements)
    except Unjudgeable as error:
        return unread(gate, unreliable(item, f"cannot be relied on: {error}"), expected=expected)
    mismatch = first_mismatch(gate.schema, values)
    if mismatch is not None:
        return unread(gate, unreliable(item, f"cannot be relied on: {mismatch}"), expected=expected)
    return _judge(gate, item, values)


def _judge(gate: ReportedEvidenceGate, item: EvidenceItem, values: object) -> GateResult:
    found = [(bound, _number(bound, values)) for bound in gate.compare]
    broken = [_broken(bound, value) for bound, value in found if _is_broken(bound, value)]
    absent = [bound for bound, value in found if value is None]
    kept = len(found) - len(broken) - len(absent)
    if broken:
        outcome, reason = GateOutcome.UNSATISFIED, f"{'; '.join(broken)}."
    elif absent:
        outcome = GateOutcome.INSUFFICIENT
        reason = f"{absent[0].path} holds no number of the unit {absent[0].unit}."
    else:
        outcome = GateOutcome.SATISFIED
        reason = f"What was reported as {gate.type} is as the policy asks."
    return gate_result(
        gate,
        outcome,
        plain_text(reason),
        expected=len(found),
        actual=kept,
        evidence_digest=item.digest,
        details={
            "type": gate.type,
            "compared": [_shown(bound, value) for bound, value in found],
        },
    )


def _number(bound: ReportedBound, values: object) -> Fraction | None:
    found = value_at(values, bound.path)
    if not isinstance(found, dict) or found.get("unit") != bound.unit:
        return None
    return number_of(found.get("value"))


def _is_broken(bound: ReportedBound, value: Fraction | None) -> bool:
    if value is None:
        return False
    is_under = bound.at_least is not None and value < bound.at_least
    return is_under or (bound.at_most is not None and value > bound.at_most)


def _broken(bound: ReportedBound, value: Fraction | None) -> str:
    if value is None:
        return ""
    is_under = bound.at_least is not None and value < bound.at_least
    limit = bound.at_least if is_under else bound.at_most
    words = "at least" if is_under else "at most"
    if limit is None:
        return ""
    return (
        f"{bound.path} is {number_text(value, limit)} and must be {words}"
        f" {number_text(limit, value)} ({bound.unit})"
    )


def _shown(bound: ReportedBound, value: Fraction | None) -> dict[str, Any]:
    return {
        "path": bound.path,
        "unit": bound.unit,
        "value": None if value is None else number_text(value),
        "at_least": None if bound.at_least is None else number_text(bound.at_least),
        "at_most": None if bound.at_most is None else number_text(bound.at_most),
    }
