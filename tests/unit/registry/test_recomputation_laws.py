"""A policy that asks for a recomputation keeps the laws of `evaluate`, and can be replayed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.attest.digest import canonical_json
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import EvidenceView
from registry.domain.replay import replay_decision
from registry.domain.words import GateOutcome, Verdict
from tests.unit.registry.samples import (
    NOW,
    OTHER_SUBJECT,
    approved,
    bias_item,
    credit_decision,
    evidence_view,
    lineage_facts,
    performance_item,
    recomputation_item,
    recomputation_measurements,
    recomputation_policy,
)
from tests.unit.registry.test_evaluation_laws import garbage, weakenings

POLICY = replace(credit_decision(), gates=credit_decision().gates + recomputation_policy().gates)
# Mostly sound, or next to nothing would ever be allowed and the law would be idle.
measured = st.one_of(
    st.just(recomputation_measurements()),
    st.builds(
        recomputation_measurements,
        verdict=st.sampled_from(["identical", "within_tolerance", "diverged", "not_reproducible"]),
        record_sha256=st.sampled_from([lineage_facts().digest, "9" * 64]),
        metrics=st.dictionaries(
            st.sampled_from(["accuracy", "loss"]),
            st.fixed_dictionaries({"recorded": st.floats(), "recomputed": st.none() | st.floats()}),
        ),
        predictions=st.none() | st.just(recomputation_measurements()["predictions"]),
        negative_control=st.none()
        | st.fixed_dictionaries(
            {"result": st.sampled_from(["changed", "same", "failed"]), "reason": st.just("So.")}
        ),
        near_control=st.none()
        | st.fixed_dictionaries(
            {"result": st.sampled_from(["same", "same", "changed"]), "reason": st.just("So.")}
        ),
    ),
    garbage,
)
views = st.builds(
    lambda measurements, conclusion, days, subject, under_way, with_record: evidence_view(
        items=(
            bias_item(),
            performance_item(),
            replace(
                recomputation_item(measurements),
                conclusion=conclusion,
                produced_at=NOW - timedelta(days=days),
                **subject,
            ),
        ),
        under_way=frozenset(under_way),
        lineage=lineage_facts() if with_record else None,
    ),
    measured,
    st.sampled_from(["pass", "pass", "fail", "error"]),
    st.sampled_from([1, 1, 29, 31, 100]),
    st.sampled_from([{}, {}, {"subject_digest": OTHER_SUBJECT}, {"origin": "reported"}]),
    st.sets(st.sampled_from(["lineage", "recomputation"])),
    st.sampled_from([True, True, False]),
)


def decide(view: EvidenceView) -> Decision:
    """Decide with two good approvals of exactly this view, so that only evidence matters."""
    return evaluate(POLICY, view, approved(view, policy=POLICY), (), NOW)


def sound() -> EvidenceView:
    return evidence_view(items=(bias_item(), performance_item(), recomputation_item()))


@settings(max_examples=100)
@given(views)
def test_taking_evidence_away_never_gets_a_version_through(view: EvidenceView) -> None:
    before = decide(view)
    for weaker in weakenings(view):
        after = decide(weaker)
        assert not after.allowed or before.allowed


@settings(max_examples=60)
@given(views)
def test_a_job_under_way_never_allows_and_never_moves_the_digest(view: EvidenceView) -> None:
    idle = replace(view, under_way=frozenset())
    busy = replace(view, under_way=frozenset({"recomputation"}))
    assert decide(busy).evidence_digest == decide(idle).evidence_digest
    assert decide(busy).allowed == decide(idle).allowed


@settings(max_examples=60)
@given(views)
def test_every_decision_is_replayed_from_what_is_logged(view: EvidenceView) -> None:
    decision = decide(view)
    recorded: dict[str, Any] = json.loads(canonical_json(decision.to_mapping()))
    items = {item.digest: item for item in view.items}
    assert replay_decision(recorded, policy=POLICY, evidence=items).to_mapping() == recorded


@settings(max_examples=40)
@given(garbage)
def test_garbage_never_satisfies_the_gate(measurements: dict[str, Any]) -> None:
    view = evidence_view(items=(bias_item(), performance_item(), recomputation_item(measurements)))
    decision = decide(view)
    assert decision.gates[-1].outcome is GateOutcome.INSUFFICIENT
    assert not decision.allowed


def test_the_law_is_not_idle() -> None:
    assert decide(sound()).allowed
    without = replace(sound(), items=sound().items[:2])
    assert decide(without).verdict is Verdict.DENY
    waiting = replace(without, under_way=frozenset({"recomputation"}))
    assert decide(waiting).verdict is Verdict.PENDING
