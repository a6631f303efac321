"""The bias gate: the measurements are judged again, by the gate's own criteria."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from audits.domain.bias import (
    AttributeJudgement,
    BiasJudgement,
    Counts,
    GroupJudgement,
    judge,
)
from audits.domain.counts import MalformedCounts
from audits.domain.measurements import counts_from_json
from registry.domain.evidence import EvidenceItem
from registry.domain.gate_reading import gate_result, unread
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.policy_gates import BiasGate
from registry.domain.readable import Unreadable
from registry.domain.words import GateOutcome

# Groups in the details of a result: it stands in a log entry, and the evidence holds them all.
_SHOWN_GROUPS = 12
_OUTCOMES = {
    "pass": GateOutcome.SATISFIED,
    "fail": GateOutcome.UNSATISFIED,
    "insufficient": GateOutcome.INSUFFICIENT,
    "error": GateOutcome.INSUFFICIENT,
}


def judge_bias(gate: BiasGate, item: EvidenceItem) -> GateResult:
    """Judge recorded bias measurements on the gate's attribute.

    What the recorder concluded is not read: only whole counts are, and the rule runs again.
    Never raises; measurements that cannot be read, or lack something that the policy wants shown,
    are insufficient.
    """
    counts = item.counts or counts_from_json(item.measurements)
    expected = float(gate.criteria.impact_ratio)
    absent = _not_reported(gate, counts)
    if absent:
        reason = f"The evidence does not report {', '.join(absent)}, which the policy wants shown."
        return unread(
            gate, Unreadable(GateOutcome.INSUFFICIENT, reason, item.digest), expected=expected
        )
    judgement = judge(_only(counts, gate), gate.criteria)
    judged = judgement.attribute(gate.attribute)
    lowest = None if judged is None else judged.lowest
    return gate_result(
        gate,
        # Of an intersection's criteria the conclusion is about its first part too.
        _OUTCOMES[judgement.conclusion if judged is None else judged.verdict],
        _reason(gate, judgement, judged, lowest),
        expected=expected,
        actual=None if lowest is None else lowest.impact_ratio,
        evidence_digest=item.digest,
        details={} if judged is None else _details(judged),
    )


def _not_reported(gate: BiasGate, counts: Counts | MalformedCounts) -> list[str]:
    if isinstance(counts, MalformedCounts):
        return []
    counted = {attribute.name for attribute in counts.attributes}
    return [name for name in gate.also_reported if name not in counted]


def _only(counts: Counts | MalformedCounts, gate: BiasGate) -> Counts | MalformedCounts:
    """Keep what the gate judges: the others have gates of their own, and judging costs time."""
    if isinstance(counts, MalformedCounts):
        return counts
    kept = tuple(
        attribute
        for attribute in counts.attributes
        if attribute.name in (gate.attribute, *gate.criteria.attributes)
    )
    if all(attribute.name != gate.attribute for attribute in kept):
        return MalformedCounts((f"{gate.attribute} was not measured",))
    return replace(counts, attributes=kept)


def _reason(
    gate: BiasGate,
    judgement: BiasJudgement,
    judged: AttributeJudgement | None,
    lowest: GroupJudgement | None,
) -> str:
    if judged is None:
        why = "; ".join(judgement.reasons) or "the measurements cannot be read"
        return plain_text(f"The bias evidence cannot be judged on {gate.attribute}: {why}.")
    return plain_text(f"On {gate.attribute}: {_deciding_reason(judged, lowest).rstrip('.')}.")


def _deciding_reason(judged: AttributeJudgement, lowest: GroupJudgement | None) -> str:
    deciding = [group for group in judged.groups if group.verdict == judged.verdict]
    if lowest in deciding:
        # A pass is told by its lowest group too: a significant gap that is not below the bound
        # is always reported (29 CFR 1607.4D).
        deciding = [lowest, *deciding]
    spoken = [group.reason for group in deciding if group.reason is not None]
    if not spoken:
        # Then it was no group that decided, but for example too many unknown people.
        of_groups = {group.reason for group in judged.groups}
        spoken = [reason for reason in judged.reasons if reason not in of_groups]
    return spoken[0] if spoken else f"the bias rule comes to {judged.verdict}"


def _details(judged: AttributeJudgement) -> dict[str, Any]:
    # The groups that decide come first, so that a cut never hides them.
    ordered = sorted(
        judged.groups,
        key=lambda group: (
            group.verdict in (None, "pass"),
            group.impact_ratio or 0.0,
            group.name,
        ),
    )
    return {
        "attribute": judged.name,
        "reference": None if judged.reference is None else plain_text(judged.reference),
        "verdict": judged.verdict,
        "groups": [
            {
                "group": plain_text(group.name),
                "n": group.counts.n,
                "selected": group.counts.selected,
                "selection_rate": group.selection_rate,
                "impact_ratio": group.impact_ratio,
                "ratio_low": None if group.ratio_interval is None else group.ratio_interval.low,
                "ratio_high": None if group.ratio_interval is None else group.ratio_interval.high,
                "p_holm": group.p_holm,
                "verdict": group.verdict,
                "reason": None if group.reason is None else plain_text(group.reason),
            }
            for group in ordered[:_SHOWN_GROUPS]
        ],
        "groups_left_out": max(0, len(ordered) - _SHOWN_GROUPS),
    }
