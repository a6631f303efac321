"""The recomputation gate: what was measured is judged again, by the gate's own bounds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from lineage.domain.comparison import Verdict
from lineage.domain.control import ControlResult
from lineage.domain.differences import Tolerance
from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_reading import gate_result, own_evidence, unread
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.policy import Policy
from registry.domain.policy_gates import MetricTolerance, RecomputationGate
from registry.domain.readable import Unreadable
from registry.domain.recomputation_evidence import (
    MeasuredMetric,
    Reproduction,
    read_reproduction,
)
from registry.domain.words import EvidenceKind, GateOutcome

# Metrics in the details of a result: it stands in a log entry, and the evidence holds them all.
_SHOWN_METRICS: Final = 12
_CAME_OUT: Final = {
    Verdict.IDENTICAL: "identical",
    Verdict.WITHIN_TOLERANCE: "within tolerance",
    Verdict.DIVERGED: "another model",
    Verdict.NOT_REPRODUCIBLE: "not reproducible",
}


def judge_recomputation(
    policy: Policy, gate: RecomputationGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge whether the version came out again when it was trained from its record. Never raises.

    The measurements are read, and judged again: the recorder's verdict never makes a better one of
    them, and a worse one stands unless a bound of the gate's excuses it. Of another lineage record
    than the one that counts now it is insufficient.
    """
    expected = gate.at_least.value
    item = own_evidence(
        policy,
        gate,
        view,
        EvidenceKind.RECOMPUTATION,
        as_of=as_of,
    )
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    found = read_reproduction(item.measurements)
    fault = _why_not_judged(gate, view, found)
    if isinstance(found, str) or fault:
        is_under_way = EvidenceKind.RECOMPUTATION.value in view.under_way
        outcome = GateOutcome.PENDING if is_under_way else GateOutcome.INSUFFICIENT
        reason = "Recomputation evidence is being produced now." if is_under_way else fault
        return unread(gate, Unreadable(outcome, reason, item.digest), expected=expected)
    return _judge(gate, item, found)


def _why_not_judged(gate: RecomputationGate, view: EvidenceView, found: Reproduction | str) -> str:
    """Say why measurements show nothing either way; empty where they do."""
    if isinstance(found, str):
        return f"The recomputation evidence cannot be relied on: {plain_text(found)}."
    lineage = view.lineage
    if lineage is None or found.record_sha256 not in {lineage.digest, lineage.repeats or None}:
        return "The version was trained again from another lineage record than counts now."
    if found.verdict is Verdict.NOT_REPRODUCIBLE:
        return ""
    if gate.negative_control and found.control in (None, ControlResult.FAILED):
        # A program that fails on other labels may have looked for exactly that.
        why = found.control_reason or "there was none"
        return f"The negative control shows nothing: {plain_text(why).rstrip('.')}."
    if gate.negative_control and found.control is ControlResult.NOT_POSSIBLE:
        why = plain_text(found.control_reason).rstrip(".")
        return f"The negative control was not possible: {why}."
    if gate.near_control and found.near_control in (
        None,
        ControlResult.FAILED,
        ControlResult.NOT_POSSIBLE,
    ):
        # Whoever knows the recorded bytes may fail on purpose where they are others.
        why = plain_text(found.near_control_reason or "there was none").rstrip(".")
        return f"The control on the same data in other bytes shows nothing: {why}."
    for bound in gate.tolerance:
        metric = found.metrics.get(bound.metric)
        if metric is None or metric.recorded is None:
            return f"The metric {plain_text(bound.metric)} was not recorded as a number."
    return ""


def _judge(gate: RecomputationGate, item: EvidenceItem, found: Reproduction) -> GateResult:
    judged, reason = _verdict(gate, found)
    # Only where it was asked for: what was decided before must come out as it was.
    near = {"near_control": found.near_control} if gate.near_control else {}
    satisfied = judged.is_reproduced and (
        judged is Verdict.IDENTICAL or gate.at_least is Verdict.WITHIN_TOLERANCE
    )
    if judged.is_reproduced and not satisfied:
        reason = f"{reason.rstrip('.')}; the policy asks for identical."
    return gate_result(
        gate,
        GateOutcome.SATISFIED if satisfied else GateOutcome.UNSATISFIED,
        plain_text(f"Trained again from its record: {_CAME_OUT[judged]}. {reason}"),
        expected=gate.at_least.value,
        actual=judged.value,
        evidence_digest=item.digest,
        details={
            "recorded_verdict": found.verdict.value,
            "record_sha256": plain_text(found.record_sha256),
            "negative_control": None if found.control is None else found.control.value,
            **{name: None if one is None else one.value for name, one in near.items()},
            "metrics": _details(gate, found.metrics),
            "metrics_left_out": max(0, len(found.metrics) - _SHOWN_METRICS),
        },
    )


def _verdict(gate: RecomputationGate, found: Reproduction) -> tuple[Verdict, str]:
    """Judge measurements that can be read; return the verdict and why, in a sentence."""
    if found.verdict is Verdict.NOT_REPRODUCIBLE:
        return Verdict.NOT_REPRODUCIBLE, found.reason
    if gate.negative_control and found.control is ControlResult.SAME:
        return Verdict.NOT_REPRODUCIBLE, found.control_reason
    if gate.near_control and found.near_control is ControlResult.CHANGED:
        return Verdict.NOT_REPRODUCIBLE, found.near_control_reason
    contradiction = _contradiction(gate, found)
    if contradiction:
        return Verdict.DIVERGED, contradiction
    if found.has_same_bytes:
        return Verdict.IDENTICAL, "The model's files have the same bytes."
    if found.predictions == "identical":
        return Verdict.IDENTICAL, "It predicts the same to the last bit."
    if found.predictions == "near":
        return Verdict.WITHIN_TOLERANCE, "Its predictions differ by no more than rounding."
    if found.metrics:
        return Verdict.WITHIN_TOLERANCE, "Every metric came out near enough to what was recorded."
    return Verdict.NOT_REPRODUCIBLE, "Nothing that the training made could be compared."


def _contradiction(gate: RecomputationGate, found: Reproduction) -> str:
    if found.differing_parameters:
        return f"{found.differing_parameters} of its parameters are not those recorded."
    if not found.has_same_signature:
        return "It takes or gives other columns than the version does."
    if not found.is_loaded_alike:
        return "It is loaded in another way than the version is."
    if found.predictions == "other":
        return found.reason if found.verdict is Verdict.DIVERGED else "Its predictions are others."
    for name in sorted(found.metrics):
        if not _is_near(_bound_of(gate, name), found.metrics[name]):
            return _metric_reason(name, found.metrics[name], _bound_of(gate, name))
    if found.verdict is Verdict.DIVERGED and not _is_excused(gate, found):
        return found.reason
    return ""


def _is_excused(gate: RecomputationGate, found: Reproduction) -> bool:
    """Say whether a metric that the gate has a bound for is what the recorder stumbled over.

    Whatever else it saw that these measurements do not tell speaks against the version.
    """
    return any(
        not _is_near(None, found.metrics[bound.metric])
        for bound in gate.tolerance
        if bound.metric in found.metrics
    )


def _bound_of(gate: RecomputationGate, name: str) -> MetricTolerance | None:
    return next((bound for bound in gate.tolerance if bound.metric == name), None)


def _is_near(bound: MetricTolerance | None, metric: MeasuredMetric) -> bool:
    """Say whether a metric came out near enough: by the gate's bound, else by rounding alone."""
    difference = metric.difference
    if difference is None or metric.recorded is None or metric.recomputed is None:
        return False
    if bound is None:
        return Tolerance().covers(float(metric.recorded), float(metric.recomputed))
    return difference <= bound.at_most * (abs(metric.recorded) if bound.unit == "relative" else 1)


def _metric_reason(name: str, metric: MeasuredMetric, bound: MetricTolerance | None) -> str:
    old, new = (
        "no number" if value is None else f"{float(value):.6g}"
        for value in (metric.recorded, metric.recomputed)
    )
    allowed = (
        "no more than rounding is accepted"
        if bound is None
        else f"{float(bound.at_most):.6g} ({bound.unit}) is accepted"
    )
    return f"The metric {name[:80]} was {old} and is {new} now; {allowed}."


def _details(
    gate: RecomputationGate, metrics: Mapping[str, MeasuredMetric]
) -> dict[str, dict[str, Any]]:
    # Those with a bound of the policy's and those too far off come first, so that no cut hides
    # them.
    ordered = sorted(
        metrics,
        key=lambda name: (
            _is_near(_bound_of(gate, name), metrics[name]),
            _bound_of(gate, name) is None,
            name,
        ),
    )
    return {
        plain_text(name): {
            "recorded": _number(metrics[name].recorded),
            "recomputed": _number(metrics[name].recomputed),
            "is_near": _is_near(_bound_of(gate, name), metrics[name]),
        }
        for name in ordered[:_SHOWN_METRICS]
    }


def _number(exact: Any) -> float | None:
    return None if exact is None else float(exact)
