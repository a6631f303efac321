"""A logged decision is come to again from the log's own content."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from muniment.attest.digest import canonical_json
from registry.domain.approvals import ApprovalFacts
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import EvidenceItem, EvidenceView, StandingViolation
from registry.domain.replay import ReplayError, replay_decision
from registry.domain.waivers import Waiver
from registry.domain.words import GateOutcome, Verdict
from tests.unit.registry.samples import (
    NOW,
    OTHER_SUBJECT,
    VERSION,
    approved,
    bias_item,
    bias_measurements,
    champion_facts,
    credit_decision,
    decide,
    evidence_view,
    performance_item,
    signed,
)

WAIVER = Waiver(
    name="Until the retraining of December",
    digest="7" * 64,
    version_uri=VERSION,
    policy_digest=credit_decision().digest,
    gate_id="bias-race",
    person="ada",
    role="admin",
    granted_at=NOW - timedelta(days=1),
    until=NOW + timedelta(days=1),
)


def waivable_policy() -> Any:
    policy = credit_decision()
    return replace(
        policy, gates=tuple(replace(gate, waivable_by=("admin",)) for gate in policy.gates)
    )


def recorded(decision: Decision) -> dict[str, Any]:
    """Give the decision as it comes back from the log."""
    found = json.loads(canonical_json(decision.to_mapping()))
    assert isinstance(found, dict)
    return found


def by_digest(view: EvidenceView) -> dict[str, EvidenceItem]:
    champion = view.champion.items if view.champion else ()
    return {item.digest: item for item in (*view.items, *champion)}


VIEWS = [
    evidence_view(),
    evidence_view(champion=champion_facts()),
    evidence_view(alias="Champion", items=(), lineage=None, under_way=frozenset({"lineage"})),
    evidence_view(items=(bias_item(bias_measurements(black_selected=75)), performance_item())),
    evidence_view(items=(bias_item(digest="8" * 64, superseded_by="1" * 64), bias_item())),
]


@pytest.mark.parametrize("view", VIEWS)
def test_a_replay_under_the_same_policy_is_the_same_decision(view: EvidenceView) -> None:
    facts = replace(
        approved(view), signed=(*approved(view).signed, signed("lin", view, verdict="refuse"))
    )
    decision = evaluate(waivable_policy(), view, facts, (WAIVER,), NOW)
    again = replay_decision(recorded(decision), policy=waivable_policy(), evidence=by_digest(view))
    assert again.to_mapping() == decision.to_mapping()


def test_a_replay_does_not_know_what_came_later() -> None:
    view = evidence_view()
    decision = decide(view, approved(view))
    later = {
        digest: replace(item, superseded_by="9" * 64) for digest, item in by_digest(view).items()
    }
    assert replay_decision(recorded(decision), policy=credit_decision(), evidence=later).allowed


def test_another_policy_can_be_tried_on_a_past_decision() -> None:
    view = evidence_view()
    decision = decide(view, approved(view))
    stricter = replace(credit_decision(), evidence_max_age_days=0)
    again = replay_decision(recorded(decision), policy=stricter, evidence=by_digest(view))
    assert decision.allowed
    assert again.verdict is Verdict.DENY


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"1" * 64: bias_item(), "2" * 64: performance_item(subject_digest=OTHER_SUBJECT)},
        {"1" * 64: bias_item(), "2" * 64: performance_item(origin="computed")},
    ],
)
def test_a_replay_with_other_evidence_is_refused(evidence: dict[str, EvidenceItem]) -> None:
    with pytest.raises(ReplayError):
        replay_decision(
            recorded(decide(evidence_view())), policy=credit_decision(), evidence=evidence
        )


@pytest.mark.parametrize(
    "change",
    [
        {"format": "https://muniment.dev/decision/v0"},
        {"inputs": None},
        {"as_of": "yesterday"},
        {"as_of": "2026-11-23T14:00:00.000000"},
    ],
)
def test_what_is_no_recorded_decision_is_refused(change: dict[str, Any]) -> None:
    view = evidence_view()
    with pytest.raises(ReplayError):
        replay_decision(
            recorded(decide(view)) | change, policy=credit_decision(), evidence=by_digest(view)
        )


def test_a_decision_fits_into_a_log_entry() -> None:
    view = evidence_view(champion=champion_facts())
    decision = decide(view, approved(view))
    # An envelope carries its payload as base64, a third longer, and holds 65,535 bytes.
    assert len(canonical_json(decision.to_mapping())) * 4 / 3 < 65_535 / 4


FAILING = evidence_view(items=(bias_item(bias_measurements(black_selected=75)), performance_item()))


def outcome_with(waiver: Waiver, policy: Any = None) -> GateOutcome:
    decision = evaluate(policy or waivable_policy(), FAILING, approved(FAILING), (waiver,), NOW)
    return decision.gates[1].outcome


def approved_with(*waivers: Waiver, **changes: Any) -> Any:
    """Give two approvals of the failing version with what is waived of it."""
    shown = evaluate(waivable_policy(), FAILING, ApprovalFacts(), waivers, NOW).evidence_digest
    facts = approved(FAILING)
    both = tuple(replace(one, evidence_digest=shown) for one in facts.signed)
    return replace(facts, signed=both, **changes)


def test_a_waiver_lets_through_and_is_not_shown_as_a_pass() -> None:
    facts = approved_with(WAIVER)
    decision = evaluate(waivable_policy(), FAILING, facts, (WAIVER,), NOW)
    waived = decision.gates[1]
    assert waived.outcome is GateOutcome.WAIVED
    assert not waived.satisfied
    assert "without the waiver" in waived.reason
    assert waived.details["waived_outcome"] == "unsatisfied"
    assert decision.allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"gate_id": "bias-sex"},
        {"version_uri": VERSION + "0"},
        {"policy_digest": "sha256:" + "0" * 64},
        {"person": "engineer"},
        {"role": "reviewer"},
        {"until": NOW},
        {"granted_at": NOW + timedelta(seconds=1)},
        {"until": (NOW + timedelta(days=1)).replace(tzinfo=None)},
    ],
)
def test_a_waiver_of_something_else_or_another_time_does_nothing(changes: dict[str, Any]) -> None:
    assert outcome_with(replace(WAIVER, **changes)) is GateOutcome.UNSATISFIED


def test_whoever_signed_before_the_waiver_has_not_signed_what_it_lets_through() -> None:
    decision = evaluate(waivable_policy(), FAILING, approved(FAILING), (WAIVER,), NOW)
    assert decision.gates[1].outcome is GateOutcome.WAIVED
    assert decision.verdict is Verdict.PENDING
    assert {one.code for one in decision.approvals.disregarded} == {"other_evidence"}


def test_the_end_of_a_waiver_reopens_the_gate_and_moves_no_digest() -> None:
    facts = approved_with(WAIVER)
    policy = waivable_policy()
    ended = evaluate(policy, FAILING, facts, (WAIVER,), WAIVER.until)
    assert ended.verdict is Verdict.DENY
    assert ended.evidence_digest == facts.signed[0].evidence_digest
    assert evaluate(policy, FAILING, facts, (), NOW).verdict is Verdict.DENY


def test_a_gate_that_nobody_may_waive_is_not_waived() -> None:
    assert outcome_with(WAIVER, credit_decision()) is GateOutcome.UNSATISFIED


def test_waivers_alone_allow_nothing() -> None:
    view = evidence_view(items=(), lineage=None)
    policy = waivable_policy()
    waivers = tuple(replace(WAIVER, gate_id=gate.id) for gate in policy.gates)
    decision = evaluate(policy, view, approved(view), waivers, NOW)
    assert decision.verdict is Verdict.DENY


def test_a_standing_violation_denies_whatever_holds_and_is_replayed() -> None:
    policy = waivable_policy()
    clean = evidence_view()
    view = replace(clean, violations=(StandingViolation("a" * 64, "artifacts.changed"),))
    decision = evaluate(policy, view, approved(view, policy=policy), (WAIVER,), NOW)
    assert decision.verdict is Verdict.DENY
    assert decision.reasons[0].startswith("The version's files were changed")
    # Whoever signed the evidence without it has not signed this.
    allowed = evaluate(policy, clean, approved(clean, policy=policy), (), NOW)
    assert allowed.allowed
    assert allowed.evidence_digest != decision.evidence_digest
    again = replay_decision(recorded(decision), policy=policy, evidence=by_digest(view))
    assert again.to_mapping() == decision.to_mapping()
    assert "violations" not in recorded(allowed)["inputs"]
