"""The metric gates: an absolute floor, and not worse than the champion on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_reading import gate_result, own_evidence, unread
from registry.domain.gate_result import GateResult, number_text, plain_number, plain_text
from registry.domain.metrics import METRICS, Performance, read_performance
from registry.domain.policy import Policy
from registry.domain.policy_gates import MetricFloorGate, NotWorseThanChampionGate
from registry.domain.readable import Unreadable, find_readable
from registry.domain.words import EvidenceKind, GateOutcome


@dataclass(frozen=True, slots=True)
class _Measured:
    item: EvidenceItem
    performance: Performance


def judge_metric_floor(
    policy: Policy, gate: MetricFloorGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge whether a metric reaches its floor. Never raises."""
    expected = plain_number(gate.at_least)
    measured = _own_performance(policy, gate, view, as_of=as_of)
    if isinstance(measured, Unreadable):
        return unread(gate, measured, expected=expected)
    metric = METRICS[gate.metric]
    value = metric.of(measured.performance)
    if value is None:
        reason = f"The {metric.words} cannot be computed from these counts (0/0)."
        return unread(
            gate,
            Unreadable(GateOutcome.INSUFFICIENT, reason, measured.item.digest),
            expected=expected,
        )
    satisfied = value >= gate.at_least
    shown, bound = number_text(value, gate.at_least), number_text(gate.at_least, value)
    return gate_result(
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


def judge_not_worse(
    policy: Policy,
    gate: NotWorseThanChampionGate,
    view: EvidenceView,
    *,
    as_of: datetime,
) -> GateResult:
    """Judge whether a metric is not worse than the champion's by too much. Never raises.

    `not_applicable` only while the alias has never been held; a champion that is not known, or not
    measured on the same rows, is insufficient.
    """
    metric = METRICS[gate.metric]
    champion = view.champion
    if champion is None and not view.alias_ever_held:
        return gate_result(
            gate,
            GateOutcome.NOT_APPLICABLE,
            f"No other version held {plain_text(view.alias.lower())} before, so there is nothing to"
            " compare with.",
        )
    if champion is None:
        reason = "The version to compare with is not known, although the alias was held before."
        return unread(gate, Unreadable(GateOutcome.INSUFFICIENT, reason))
    own = _own_performance(policy, gate, view, as_of=as_of)
    if isinstance(own, Unreadable):
        return unread(gate, own)
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
        return unread(gate, theirs)
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
        return unread(gate, Unreadable(GateOutcome.INSUFFICIENT, fault, own.item.digest))
    drop = reference - value
    satisfied = drop <= gate.at_most_drop
    least = reference - gate.at_most_drop
    change = (
        "the same as"
        if drop == 0
        else f"{number_text(abs(drop), gate.at_most_drop)} " + ("under" if drop > 0 else "over")
    )
    return gate_result(
        gate,
        GateOutcome.SATISFIED if satisfied else GateOutcome.UNSATISFIED,
        f"The {words} is {number_text(value, least)}, {change} the champion's"
        f" {number_text(reference, value)}; up to {number_text(gate.at_most_drop)} under is"
        " accepted.",
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


def _own_performance(
    policy: Policy,
    gate: MetricFloorGate | NotWorseThanChampionGate,
    view: EvidenceView,
    *,
    as_of: datetime,
) -> _Measured | Unreadable:
    readable = own_evidence(policy, gate, view, EvidenceKind.PERFORMANCE, as_of=as_of)
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
