"""How long a certificate holds: never longer than its policy would allow on the same evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from registry.domain.policy import Policy
from registry.domain.policy_findings import AttestationGate, VulnerabilitiesGate
from registry.domain.policy_gates import (
    CompositeGate,
    Gate,
    NotWorseThanChampionGate,
    evidence_kinds_of,
)
from registry.domain.words import GateKind, GateOutcome, ReviewVerdict


def end_of(
    policy: Policy,
    decision: Mapping[str, Any],
    *,
    produced_at: Mapping[str, datetime],
    measured: Mapping[str, Mapping[str, Any]],
    now: datetime,
) -> datetime:
    """Give the first moment at which the decision that allowed could no longer stand as it was.

    That is the earliest at which a finding that a gate read is too old for that gate or for the
    policy, a database of vulnerabilities is, or one that is ignored counts again; a waiver or an
    approval that counted ends; a condition of an approval is overdue; or the policy is in force no
    more. Where nothing ends, it is as long after `now` as evidence may be old.

    Args:
        decision: as the log states it.
        produced_at: when each finding that it names was made, by the finding's digest.
        measured: the measurements of those of them that say themselves how long they hold: on
            vulnerabilities, and attestations.
    """
    inputs = decision["inputs"]
    gates = {gate.id: gate for gate in policy.every_gate}
    ends = [now + timedelta(days=policy.evidence_max_age_days)]
    for result in _flattened(decision["gates"]):
        gate = gates[result["id"]]
        if result["outcome"] == GateOutcome.WAIVED and "waiver_digest" in result["details"]:
            waiver = result["details"]["waiver_digest"]
            ends += [_moment(one["until"]) for one in inputs["waivers"] if one["digest"] == waiver]
        # One that did not hold let nothing through: its end changes nothing.
        if result["outcome"] == GateOutcome.SATISFIED and not isinstance(gate, CompositeGate):
            ends += _ends_of_gate(policy, gate, inputs, produced_at, measured, now)
    ends += _ends_of_approvals(policy, decision)
    ends += [_moment(one["due_at"]) for one in inputs.get("findings", ())]
    if policy.in_force_until is not None:
        ends.append(_day_after(policy.in_force_until))
    return min(ends)


def _ends_of_gate(
    policy: Policy,
    gate: Gate,
    inputs: Mapping[str, Any],
    produced_at: Mapping[str, datetime],
    measured: Mapping[str, Mapping[str, Any]],
    now: datetime,
) -> Iterator[datetime]:
    if isinstance(gate, CompositeGate) or gate.kind is GateKind.LINEAGE_COMPLETE:
        return
    oldest = getattr(gate, "max_age_days", None) or policy.evidence_max_age_days
    age = timedelta(days=min(oldest, policy.evidence_max_age_days))
    holders = [inputs]
    if isinstance(gate, NotWorseThanChampionGate) and inputs["champion"]:
        holders.append(inputs["champion"])
    kinds = evidence_kinds_of(gate)
    for holder in holders:
        for item in holder["items"]:
            if item["kind"] not in kinds:
                continue
            yield produced_at[item["digest"]] + age
            # A gate holds by nothing that cannot be read, so that what follows is there.
            if isinstance(gate, VulnerabilitiesGate):
                yield from _ends_of_lookup(gate, measured[item["digest"]], now)
            if isinstance(gate, AttestationGate):
                expires = measured[item["digest"]].get("expires")
                yield from [] if expires is None else [_moment(expires)]


def _ends_of_lookup(
    gate: VulnerabilitiesGate, lookup: Mapping[str, Any], now: datetime
) -> Iterator[datetime]:
    yield _moment(lookup["database"]["as_of"]) + timedelta(days=gate.database_max_age_days)
    found, today = {one["id"] for one in lookup["matches"]}, now.astimezone(UTC).date()
    for one in gate.ignore:
        if one.id in found and one.until >= today:
            yield _day_after(one.until)


def _ends_of_approvals(policy: Policy, decision: Mapping[str, Any]) -> Iterator[datetime]:
    facts = decision["inputs"]["approvals"]
    days = policy.approvals.review_days(risk_tier=facts.get("risk_tier"))
    if days is None:
        return
    set_aside = {one["digest"] for one in decision["approvals"]["disregarded"]}
    for one in facts["signed"]:
        if one["verdict"] == ReviewVerdict.APPROVE and one["digest"] not in set_aside:
            yield _moment(one["signed_at"]) + timedelta(days=days)


def _flattened(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for result in results:
        yield result
        yield from _flattened(result.get("gates", []))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _day_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
