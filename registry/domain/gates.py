"""Judge a gate: each kind reads its evidence and compares by its own bounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from registry.domain.evidence import EvidenceItem, EvidenceView, LegFact
from registry.domain.gate_bias import judge_bias
from registry.domain.gate_result import (
    GateResult,
    PlainValue,
    number_text,
    plain_number,
    plain_text,
)
from registry.domain.metrics import METRICS, Performance, read_performance
from registry.domain.policy import (
    BiasGate,
    Gate,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
    Policy,
)
from registry.domain.readable import Unreadable, find_readable
from registry.domain.words import EvidenceKind, GateOutcome, Grade

LINEAGE = "lineage"
"""The word by which a view's `under_way` says that the lineage record is being made."""


def judge_gate(policy: Policy, gate: Gate, view: EvidenceView, *, as_of: datetime) -> GateResult:
    """Judge one gate on a view. Never raises, whatever the evidence holds."""
    match gate:
        case LineageGate():
            return _lineage(gate, view)
        case BiasGate():
            readable = _own(policy, gate, view, EvidenceKind.BIAS, as_of=as_of)
            if isinstance(readable, Unreadable):
                return _unread(gate, readable, expected=float(gate.criteria.impact_ratio))
            return judge_bias(gate, readable)
        case MetricFloorGate():
            return _metric_floor(policy, gate, view, as_of=as_of)
        case NotWorseThanChampionGate():
            return _not_worse(policy, gate, view, as_of=as_of)
        case _:
            assert_never(gate)


def _lineage(gate: LineageGate, view: EvidenceView) -> GateResult:
    lineage = view.lineage
    if lineage is None or lineage.subject_digest != view.subject_digest:
        if LINEAGE in view.under_way:
            waiting = Unreadable(GateOutcome.PENDING, "The lineage record is being made now.")
            return _unread(gate, waiting)
        reason = "There is no lineage record."
        if lineage is not None:
            reason = "The lineage record is about other artifact bytes than the version has now."
        digest = None if lineage is None else lineage.digest
        return _unread(gate, Unreadable(GateOutcome.INSUFFICIENT, reason, digest))
    if lineage.origin not in gate.accepts:
        reason = f"The lineage record is {lineage.origin.value}, which this gate does not accept."
        return _unread(gate, Unreadable(GateOutcome.INSUFFICIENT, reason, lineage.digest))
    facts = [(required, lineage.find_leg(required.leg)) for required in gate.legs]
    short = [
        (required, fact)
        for required, fact in facts
        # The second condition is for a policy value built by hand: missing never passes.
        if fact.grade.rank < required.at_least.rank or fact.grade is Grade.MISSING
    ]
    details = {
        "legs": {
            fact.leg.value: {
                "grade": fact.grade.value,
                "at_least": required.at_least.value,
                "reason": plain_text(fact.reason),
            }
            for required, fact in facts
        }
    }
    if not short:
        weakest, found = min(facts, key=lambda pair: pair[1].grade.rank)
        return _result(
            gate,
            GateOutcome.SATISFIED,
            "Every leg of the lineage is graded as the policy asks.",
            expected=weakest.at_least.value,
            actual=found.grade.value,
            evidence_digest=lineage.digest,
            details=details,
        )
    required, worst = min(short, key=lambda pair: pair[1].grade.rank)
    return _result(
        gate,
        GateOutcome.UNSATISFIED,
        _lineage_reason([fact for _, fact in short]),
        expected=required.at_least.value,
        actual=worst.grade.value,
        evidence_digest=lineage.digest,
        details=details,
    )


def _lineage_reason(short: list[LegFact]) -> str:
    named = "; ".join(
        f"{fact.leg.value} is {fact.grade.value} ({plain_text(fact.reason).rstrip('.')})"
        for fact in short
    )
    return f"The lineage is not complete: {named}."


@dataclass(frozen=True, slots=True)
class _Measured:
    item: EvidenceItem
    performance: Performance


def _metric_floor(
    policy: Policy, gate: MetricFloorGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    expected = plain_number(gate.at_least)
    measured = _own_performance(policy, gate, view, as_of=as_of)
    if isinstance(measured, Unreadable):
        return _unread(gate, measured, expected=expected)
    metric = METRICS[gate.metric]
    value = metric.of(measured.performance)
    if value is None:
        reason = f"The {metric.words} cannot be computed from these counts (0/0)."
        return _unread(
            gate,
            Unreadable(GateOutcome.INSUFFICIENT, reason, measured.item.digest),
            expected=expected,
        )
    satisfied = value >= gate.at_least
    shown, bound = number_text(value, gate.at_least), number_text(gate.at_least, value)
    return _result(
        gate,
        GateOutcome.SATISFIED if satisfied else GateOutcome.UNSATISFIED,
        f"The {metric.words} is {shown}; "
        + (f"at least {bound} is asked for." if satisfied else f"it must be at least {bound}."),
        expected=expected,
        actual=plain_number(value),
        evidence_digest=measured.item.digest,
        details={
            "metric": gate.metric,
            "unit": gate.unit,
            **_counts(measured.performance),
        },
    )


def _not_worse(
    policy: Policy,
    gate: NotWorseThanChampionGate,
    view: EvidenceView,
    *,
    as_of: datetime,
) -> GateResult:
    metric = METRICS[gate.metric]
    champion = view.champion
    if champion is None and not view.alias_ever_held:
        return _result(
            gate,
            GateOutcome.NOT_APPLICABLE,
            f"No version has ever held {plain_text(view.alias)}, so there is nothing to"
            " compare with.",
        )
    if champion is None:
        reason = "The version to compare with is not known, although the alias was held before."
        return _unread(gate, Unreadable(GateOutcome.INSUFFICIENT, reason))
    own = _own_performance(policy, gate, view, as_of=as_of)
    if isinstance(own, Unreadable):
        return _unread(gate, own)
    readable = find_readable(
        policy,
        gate,
        kind=EvidenceKind.PERFORMANCE.value,
        items=champion.items,
        subject_digest=champion.subject_digest,
        under_way=EvidenceKind.PERFORMANCE.value in champion.under_way,
        as_of=as_of,
        whose="the champion's ",
    )
    theirs = _performance(gate, readable, whose="The champion's ")
    if isinstance(theirs, Unreadable):
        return _unread(gate, theirs)
    return _compare(
        gate,
        own,
        theirs,
        details={"champion": champion.version_uri},
        metric=metric.name,
    )


def _compare(
    gate: NotWorseThanChampionGate,
    own: _Measured,
    theirs: _Measured,
    *,
    details: dict[str, Any],
    metric: str,
) -> GateResult:
    words = METRICS[metric].words
    value, reference = (METRICS[metric].of(side.performance) for side in (own, theirs))
    fault = None
    if own.performance.rows_digest != theirs.performance.rows_digest:
        fault = "The champion was measured on other rows, so the two cannot be compared."
    elif _labels(own.performance) != _labels(theirs.performance):
        fault = "The two measurements say that they are of the same rows, but count other labels."
    if fault is not None or value is None or reference is None:
        fault = fault or f"The {words} cannot be computed from these counts (0/0)."
        return _unread(gate, Unreadable(GateOutcome.INSUFFICIENT, fault, own.item.digest))
    drop = reference - value
    satisfied = drop <= gate.at_most_drop
    least = reference - gate.at_most_drop
    change = (
        "the same as"
        if drop == 0
        else f"{number_text(abs(drop), gate.at_most_drop)} " + ("under" if drop > 0 else "over")
    )
    return _result(
        gate,
        GateOutcome.SATISFIED if satisfied else GateOutcome.UNSATISFIED,
        f"The {words} is {number_text(value, least)}, {change} the champion's"
        f" {number_text(reference, value)}; it may be {number_text(gate.at_most_drop)} under.",
        expected=plain_number(least),
        actual=plain_number(value),
        evidence_digest=own.item.digest,
        details={
            **details,
            "metric": metric,
            "unit": gate.unit,
            "champion_value": plain_number(reference),
            "champion_evidence_digest": theirs.item.digest,
            "drop": plain_number(drop),
            "at_most_drop": plain_number(gate.at_most_drop),
            **_counts(own.performance),
        },
    )


def _own(
    policy: Policy,
    gate: Gate,
    view: EvidenceView,
    kind: EvidenceKind,
    *,
    as_of: datetime,
) -> EvidenceItem | Unreadable:
    return find_readable(
        policy,
        gate,
        kind=kind.value,
        items=view.items,
        subject_digest=view.subject_digest,
        under_way=kind.value in view.under_way,
        as_of=as_of,
    )


def _own_performance(
    policy: Policy,
    gate: MetricFloorGate | NotWorseThanChampionGate,
    view: EvidenceView,
    *,
    as_of: datetime,
) -> _Measured | Unreadable:
    readable = _own(policy, gate, view, EvidenceKind.PERFORMANCE, as_of=as_of)
    return _performance(gate, readable, whose="The ")


def _performance(
    gate: MetricFloorGate | NotWorseThanChampionGate,
    readable: EvidenceItem | Unreadable,
    *,
    whose: str,
) -> _Measured | Unreadable:
    if isinstance(readable, Unreadable):
        return readable
    if readable.conclusion == "insufficient":
        why = plain_text("; ".join(readable.reasons)).rstrip(".") or "no reason was recorded"
        reason = f"{whose}performance evidence is recorded as insufficient: {why}."
        return Unreadable(GateOutcome.INSUFFICIENT, reason, readable.digest)
    performance = read_performance(readable.measurements)
    if isinstance(performance, str):
        reason = f"{whose}performance evidence cannot be relied on: {performance}."
        return Unreadable(GateOutcome.INSUFFICIENT, reason, readable.digest)
    if performance.n < gate.min_rows:
        reason = (
            f"{whose}performance was measured on {performance.n} rows, and the policy asks for"
            f" at least {gate.min_rows}."
        )
        return Unreadable(GateOutcome.INSUFFICIENT, reason, readable.digest)
    return _Measured(readable, performance)


def _labels(performance: Performance) -> tuple[int, int]:
    return performance.tp + performance.fn, performance.tn + performance.fp


def _counts(performance: Performance) -> dict[str, Any]:
    return {
        "n": performance.n,
        "tp": performance.tp,
        "fp": performance.fp,
        "tn": performance.tn,
        "fn": performance.fn,
        "rows_digest": performance.rows_digest,
    }


def _unread(gate: Gate, why: Unreadable, *, expected: PlainValue = None) -> GateResult:
    return _result(
        gate,
        why.outcome,
        plain_text(why.reason),
        expected=expected,
        evidence_digest=why.evidence_digest,
    )


def _result(
    gate: Gate,
    outcome: GateOutcome,
    reason: str,
    *,
    expected: PlainValue = None,
    actual: PlainValue = None,
    evidence_digest: str | None = None,
    details: dict[str, Any] | None = None,
) -> GateResult:
    return GateResult(
        id=gate.id,
        kind=gate.kind,
        title=gate.title,
        outcome=outcome,
        reason=reason,
        expected=expected,
        actual=actual,
        evidence_digest=evidence_digest,
        details=details or {},
    )
