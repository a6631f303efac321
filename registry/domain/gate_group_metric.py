"""The group metric gate: how far groups are apart in a rate, judged again from the counts."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from audits.domain.counts import AttributeCounts, Counts, GroupCounts, MalformedCounts
from audits.domain.measurements import counts_from_json
from audits.domain.names import UNKNOWN
from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_reading import gate_result, own_evidence, unread, unreliable
from registry.domain.gate_result import GateResult, number_text, plain_number, plain_text
from registry.domain.group_metrics import DIFFERENCE, GROUP_METRICS, GroupMetric
from registry.domain.measured import named
from registry.domain.policy import Policy
from registry.domain.policy_findings import GroupMetricGate
from registry.domain.readable import Unreadable
from registry.domain.words import EvidenceKind, GateOutcome

_SHOWN_GROUPS: Final = 12


def judge_group_metric(
    policy: Policy, gate: GroupMetricGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge how far the groups of an attribute are apart in a metric. Never raises.

    Groups whose rate stands on fewer than `min_group` people are left out of the number: what the
    others show beyond the bound fails, for more groups can only be further apart. What they show
    within it is insufficient while there is a small group, or too many people in none.
    """
    expected = float(gate.bound)
    item = own_evidence(policy, gate, view, EvidenceKind.BIAS, as_of=as_of)
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    counts = counts_from_json(item.measurements)
    attribute = _attribute(policy, gate, counts)
    if isinstance(attribute, str):
        return unread(gate, unreliable(item, attribute), expected=expected)
    return _judge(gate, item, attribute)


def _attribute(
    policy: Policy, gate: GroupMetricGate, counts: Counts | MalformedCounts
) -> AttributeCounts | str:
    if isinstance(counts, MalformedCounts):
        return f"cannot be relied on: {'; '.join(counts.reasons)}"
    if counts.favourable != gate.favourable:
        return f"counts {counts.favourable} as the favourable outcome, the policy {gate.favourable}"
    criteria = policy.audit_criteria
    if counts.cutoff != ("" if criteria is None else criteria.cutoff_text):
        return f"cuts scores by {counts.cutoff or 'nothing'}, which the policy does not"
    if counts.is_weighted:
        return "holds weighted rates, and this gate compares people"
    if counts.repeated:
        return f"holds {counts.repeated} further rows of the same people"
    found = [one for one in counts.attributes if one.name == gate.attribute]
    return found[0] if found else f"does not count {gate.attribute}"


def _judge(gate: GroupMetricGate, item: EvidenceItem, attribute: AttributeCounts) -> GateResult:
    metric = GROUP_METRICS[gate.metric]
    known = sorted(
        (group for group in attribute.groups if group.name != UNKNOWN and group.n),
        key=lambda group: group.name,
    )
    value = metric.of(known, least=gate.min_group)
    outcome, reason = _ruling(gate, metric, known, value, attribute)
    return gate_result(
        gate,
        outcome,
        plain_text(f"On {gate.attribute}: {reason}"),
        expected=float(gate.bound),
        actual=plain_number(value),
        evidence_digest=item.digest,
        details={
            "attribute": gate.attribute,
            "metric": gate.metric,
            "unit": gate.unit,
            "groups": [_rates(metric, group) for group in known[:_SHOWN_GROUPS]],
            "groups_left_out": max(0, len(known) - _SHOWN_GROUPS),
        },
    )


def _ruling(
    gate: GroupMetricGate,
    metric: GroupMetric,
    known: list[GroupCounts],
    value: Fraction | None,
    attribute: AttributeCounts,
) -> tuple[GateOutcome, str]:
    limit = f"at {'most' if metric.aspect == DIFFERENCE else 'least'} " + number_text(
        gate.bound, value
    )
    if value is not None and not _is_within(metric, value, gate.bound):
        shown = number_text(value, gate.bound)
        return GateOutcome.UNSATISFIED, f"the {metric.words} is {shown}; it must be {limit}."
    people = sum(group.n for group in attribute.groups)
    unknown = sum(group.n for group in attribute.groups if group.name == UNKNOWN)
    small = metric.small(known, least=gate.min_group)
    if len(known) < 2:
        why = "there are fewer than two groups to compare."
    elif small:
        why = f"fewer than {gate.min_group} people stand behind a rate of {named(small)}."
    elif Fraction(unknown, people) > gate.max_unknown_share:
        why = f"{unknown} of {people} people are in no known group, more than the policy accepts."
    elif value is None or metric.is_zero_by_zero(known, least=gate.min_group):
        why = f"the {metric.words} cannot be computed from these counts (0/0)."
    else:
        shown = number_text(value, gate.bound)
        return GateOutcome.SATISFIED, f"the {metric.words} is {shown}; {limit} is asked for."
    return GateOutcome.INSUFFICIENT, why


def _is_within(metric: GroupMetric, value: Fraction, bound: Fraction) -> bool:
    return value <= bound if metric.aspect == DIFFERENCE else value >= bound


def _rates(metric: GroupMetric, group: GroupCounts) -> dict[str, Any]:
    shares = {}
    for rate in metric.rates:
        counted = rate.of(group)
        shares[rate.words] = None if counted is None or not counted[1] else counted[0] / counted[1]
    return {"group": plain_text(group.name), "n": group.n, **shares}
