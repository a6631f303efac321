"""A certificate ends when the decision behind it could no longer stand on the same evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry.domain.certificate_end import end_of
from registry.domain.evaluation import evaluate
from registry.domain.evidence import EvidenceView
from registry.domain.findings import OpenFinding
from registry.domain.policy import Policy
from registry.domain.policy_findings import VulnerabilitiesGate
from registry.domain.waivers import Waiver
from registry.domain.words import GateKind
from tests.unit.registry.every_kind import MEASURED, every_kind, finding, full_view
from tests.unit.registry.samples import (
    NOW,
    VERSION,
    approved,
    bias_item,
    champion_facts,
    credit_decision,
    evidence_view,
    performance_item,
)

ATTESTED = "attestation:independent-validation"
SECOND = timedelta(seconds=1)


def measured(kind: str, *, days: int = 0, **changes: Any) -> EvidenceView:
    """Return a view in which a finding of one kind is so many days old, or says something else."""
    item = finding(kind, {**MEASURED[kind], **changes})
    return full_view(**{kind: replace(item, produced_at=item.produced_at - timedelta(days=days))})


def unhurried() -> Policy:
    """Return a policy of every kind of gate that ignores no vulnerability for a time."""
    policy, later = every_kind(), NOW.date().replace(year=2030)
    gates = [
        replace(
            gate,
            ignore=tuple(replace(one, until=later) for one in gate.ignore),
        )
        if isinstance(gate, VulnerabilitiesGate)
        else gate
        for gate in policy.gates
    ]
    return replace(policy, gates=tuple(gates))


def waiver(policy: Policy, gate: str, days: int) -> Waiver:
    return Waiver(
        name="w",
        digest=f"waiver of {gate}",
        version_uri=VERSION,
        policy_digest=policy.digest,
        gate_id=gate,
        person="somebody",
        role="admin",
        granted_at=NOW - timedelta(days=9),
        until=NOW + timedelta(days=days),
    )


def end(policy: Policy, view: EvidenceView, waivers: tuple[Waiver, ...] = ()) -> datetime:
    """Return the end, having seen that the same is allowed just before it and not after it."""
    facts = approved(view, policy=policy)
    if waivers:
        digest = evaluate(policy, view, facts, waivers, NOW).evidence_digest
        facts = replace(
            facts, signed=tuple(replace(one, evidence_digest=digest) for one in facts.signed)
        )
    decision = evaluate(policy, view, facts, waivers, NOW)
    assert decision.allowed, decision.reasons
    items = [*view.items, *(view.champion.items if view.champion else ())]
    content: Mapping[str, Any] = decision.to_mapping()
    found = end_of(
        policy,
        content,
        produced_at={one.digest: one.produced_at for one in items},
        measured={one.digest: one.measurements for one in items},
        now=NOW,
    )
    assert evaluate(policy, view, facts, waivers, found - SECOND).allowed
    assert not evaluate(policy, view, facts, waivers, found + SECOND).allowed
    return found


def test_what_the_policy_ignores_for_a_time_counts_again() -> None:
    assert end(every_kind(), full_view()) == datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (full_view(), datetime(2026, 11, 27, tzinfo=UTC)),  # the database is a week old
        (measured("vulnerabilities", days=27), NOW + timedelta(days=2)),
        (measured("artifact_safety", days=88), NOW + timedelta(days=1)),
        (measured(ATTESTED, days=57), NOW + timedelta(days=2)),
        (measured(ATTESTED, expires="2026-11-25T00:00:00Z"), datetime(2026, 11, 25, tzinfo=UTC)),
    ],
)
def test_the_earliest_end_of_what_any_gate_read_counts(
    view: EvidenceView, expected: datetime
) -> None:
    assert end(unhurried(), view) == expected


def test_approvals_that_are_reviewed_again_end() -> None:
    policy = credit_decision()
    policy = replace(policy, approvals=replace(policy.approvals, review_every_days=3))
    assert end(policy, evidence_view()) == NOW + timedelta(days=3, minutes=-5)


def test_a_condition_of_an_approval_ends_it() -> None:
    due = NOW + timedelta(days=1)
    view = evidence_view(findings=(OpenFinding("f" * 64, "high", due),))
    assert end(credit_decision(), view) == due


def test_a_policy_that_is_in_force_no_more_ends_it() -> None:
    policy = replace(credit_decision(), in_force_until=NOW.date())
    assert end(policy, evidence_view()) == datetime(2026, 11, 24, tzinfo=UTC)


def test_the_waiver_that_let_it_through_ends_it_and_no_other() -> None:
    policy = credit_decision()
    view = evidence_view(items=(bias_item(origin="invented"), performance_item()))
    bias = [gate.id for gate in policy.gates if gate.kind is GateKind.BIAS]
    policy = replace(
        policy, gates=tuple(replace(gate, waivable_by=("admin",)) for gate in policy.gates)
    )
    waivers = [waiver(policy, gate, 2) for gate in bias]
    assert end(policy, view, (*waivers, waiver(policy, "lineage", 1))) == NOW + timedelta(days=2)


def test_the_champions_evidence_ends_it_too() -> None:
    old = performance_item(subject_digest="", produced_at=NOW - timedelta(days=25))
    champion = champion_facts()
    (theirs,) = champion.items
    champion = replace(champion, items=(replace(theirs, produced_at=old.produced_at),))
    policy = credit_decision()
    found = end(policy, evidence_view(champion=champion))
    assert found == old.produced_at + timedelta(days=policy.evidence_max_age_days)
