"""The laws of `evaluate`: total, deterministic, monotone, and never a pass by garbage."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.attest.digest import canonical_json
from registry.domain.approvals import Approval, ApprovalFacts
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import (
    ChampionFacts,
    EvidenceItem,
    EvidenceView,
    LegFact,
    LineageFacts,
    evidence_digest,
)
from registry.domain.words import Grade, Leg, Origin, Verdict
from tests.unit.registry.samples import (
    CHAMPION,
    NOW,
    OTHER_SUBJECT,
    ROWS,
    SUBJECT,
    VERSION,
    approved,
    bias_item,
    bias_measurements,
    credit_decision,
    decide,
    evidence_view,
    performance_item,
    performance_measurements,
    signed,
)

POLICY = credit_decision()
RANK = {Verdict.DENY: 0, Verdict.PENDING: 1, Verdict.ALLOW: 2}

# What a database can give back: no NUL and no lone surrogate.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats()
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=5),
    max_leaves=12,
)
COUNTED = ["n", "selected", "tp", "fp", "tn", "fn"]
KEYS = [
    *COUNTED,
    "accuracy",
    "attributes",
    "balanced_accuracy",
    "favourable",
    "groups",
    "judged",
    "race",
    "reference",
    "rows_digest",
    "sex",
    "unknown",
    "verdict",
]
garbage = st.dictionaries(
    st.sampled_from([*KEYS, "race × sex"]) | text,
    json_values
    | st.dictionaries(
        st.sampled_from(["race", "sex", "race × sex"]) | text,
        st.dictionaries(
            st.sampled_from(["groups", "verdict"]),
            st.dictionaries(text, st.dictionaries(st.sampled_from(KEYS), json_values) | json_values)
            | json_values,
        )
        | json_values,
    ),
    max_size=6,
)
moments = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - a moment without a timezone is a case too
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.none() | st.timezones(),
) | st.sampled_from([NOW, NOW - timedelta(days=1), NOW - timedelta(days=100)])
subjects = st.sampled_from([SUBJECT, OTHER_SUBJECT])
measured = st.one_of(
    garbage,
    st.builds(bias_measurements, black_selected=st.integers(0, 99)),
    st.builds(
        performance_measurements,
        tp=st.integers(0, 900),
        fp=st.integers(0, 100),
        tn=st.integers(0, 100),
        fn=st.integers(0, 100),
        rows_digest=st.sampled_from([ROWS, "f" * 64]),
    ),
)


def items_of(measurements: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[EvidenceItem, ...]]:
    item = st.builds(
        EvidenceItem,
        kind=st.sampled_from(["bias", "performance", "recomputation"]) | text,
        origin=st.sampled_from(["reported", "computed"]) | text,
        conclusion=st.sampled_from(["pass", "fail", "insufficient", "error"]) | text,
        subject_digest=subjects | text,
        measurements=measurements,
        produced_at=moments,
        digest=text,
        reasons=st.lists(text, max_size=2).map(tuple),
        superseded_by=st.none() | text,
    )
    return st.lists(item, max_size=4, unique_by=lambda one: one.kind).map(tuple)


lineages = st.none() | st.builds(
    LineageFacts,
    digest=text,
    subject_digest=subjects,
    legs=st.lists(
        st.builds(LegFact, st.sampled_from(Leg), st.sampled_from(Grade), text), max_size=5
    ).map(tuple),
    origin=st.sampled_from(Origin),
)


def views(measurements: st.SearchStrategy[Any] = measured) -> st.SearchStrategy[EvidenceView]:
    champions = st.none() | st.builds(
        ChampionFacts,
        version_uri=st.just(CHAMPION),
        subject_digest=subjects,
        items=items_of(measurements),
        under_way=st.frozensets(st.sampled_from(["bias", "performance"])),
    )
    return st.builds(
        lambda champion, ever_held, **values: EvidenceView(
            champion=champion, alias_ever_held=ever_held or champion is not None, **values
        ),
        champion=champions,
        ever_held=st.booleans(),
        version_uri=st.just(VERSION),
        alias=st.sampled_from(["champion", "Champion"]) | text,
        subject_digest=subjects,
        lineage=lineages,
        items=items_of(measurements),
        under_way=st.frozensets(
            st.sampled_from(["lineage", "bias", "performance", "recomputation"]) | text
        ),
    )


def signatures(view: EvidenceView) -> st.SearchStrategy[ApprovalFacts]:
    current = evidence_digest(POLICY.digest, view.alias, view, POLICY.evidence_kinds)
    return st.builds(
        ApprovalFacts,
        requester=st.sampled_from([None, "engineer"]),
        trainer=st.sampled_from([None, "engineer", "ada"]),
        signed=st.lists(
            st.builds(
                Approval,
                person=st.sampled_from(["engineer", "ada", "grace", "lin"]),
                role=st.sampled_from(["reviewer", "engineer"]) | text,
                verdict=st.sampled_from(["approve", "approve", "refuse"]) | text,
                evidence_digest=st.just(current) | text,
                signed_at=moments,
                digest=text,
            ),
            max_size=5,
        ).map(tuple),
    )


def decide_again(view: EvidenceView) -> Decision:
    """Decide with two good approvals of exactly this view, so that only evidence matters."""
    return decide(view, approved(view))


@settings(max_examples=60)
@given(st.data())
def test_any_evidence_is_decided_and_the_decision_can_be_logged(data: st.DataObject) -> None:
    view = data.draw(views())
    decision = evaluate(POLICY, view, data.draw(signatures(view)), (), NOW)
    recorded = decision.to_mapping()
    assert json.loads(canonical_json(recorded)) == recorded
    assert len(decision.gates) == len(POLICY.gates)
    if not decision.allowed:
        assert decision.reasons


@settings(max_examples=60)
@given(views(garbage))
def test_garbage_never_satisfies_a_gate_that_measures(view: EvidenceView) -> None:
    decision = decide_again(view)
    assert not decision.allowed
    for gate in decision.gates:
        if gate.id != "lineage":
            assert not gate.satisfied


@settings(max_examples=40)
@given(st.data())
def test_equal_inputs_are_decided_equally_in_any_order(data: st.DataObject) -> None:
    view = data.draw(views())
    facts = data.draw(signatures(view))
    first = evaluate(POLICY, view, facts, (), NOW)
    assert evaluate(POLICY, view, facts, (), NOW).to_mapping() == first.to_mapping()
    shuffled = list(view.items)
    random.Random(0).shuffle(shuffled)
    other_order = replace(
        view,
        items=tuple(shuffled),
        lineage=view.lineage and replace(view.lineage, legs=view.lineage.legs[::-1]),
    )
    again = evaluate(POLICY, other_order, facts, (), NOW)
    assert again.evidence_digest == first.evidence_digest
    assert [gate.outcome for gate in again.gates] == [gate.outcome for gate in first.gates]
    assert again.verdict is first.verdict


def weakenings(view: EvidenceView) -> list[EvidenceView]:
    """Take one thing away, in every way there is."""
    weaker = [
        replace(view, items=tuple(kept for kept in view.items if kept is not taken))
        for taken in view.items
    ]
    weaker += [replace(view, under_way=view.under_way - {kind}) for kind in view.under_way]
    if view.lineage is not None:
        weaker.append(replace(view, lineage=None))
        weaker += [
            replace(
                view,
                lineage=replace(
                    view.lineage,
                    legs=view.lineage.legs[:index] + view.lineage.legs[index + 1 :],
                ),
            )
            for index in range(len(view.lineage.legs))
            # A leg named twice counts by its worst grade, so taking that one away is no loss.
            if len({fact.leg for fact in view.lineage.legs}) == len(view.lineage.legs)
        ]
    if view.champion is not None:
        weaker.append(replace(view, champion=None))
        weaker += [
            replace(
                view,
                champion=replace(
                    view.champion,
                    items=tuple(kept for kept in view.champion.items if kept is not taken),
                ),
            )
            for taken in view.champion.items
        ]
    return weaker


# Mostly sound evidence, or next to nothing would ever be allowed and the law would be idle.
nearly_good = st.builds(
    lambda black, tp, legs, ever, under_way, taken: (
        replace(
            evidence_view(
                champion=ChampionFacts(
                    CHAMPION,
                    OTHER_SUBJECT,
                    (
                        performance_item(subject_digest=OTHER_SUBJECT, digest="4" * 64),
                        bias_item(subject_digest=OTHER_SUBJECT, digest="6" * 64),
                    ),
                )
                if ever
                else None,
                items=(
                    bias_item(bias_measurements(black_selected=black)),
                    performance_item(performance_measurements(tp=tp, fn=893 - tp)),
                ),
                under_way=frozenset(under_way),
            ),
            **taken,
        )
        if not legs
        else evidence_view(under_way=frozenset(under_way))
    ),
    st.sampled_from([75, 82, 91, 97]),
    st.sampled_from([800, 860, 880]),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from(["lineage", "bias", "performance"])),
    st.sampled_from([{}, {"items": ()}, {"lineage": None}]),
)


@settings(max_examples=60)
@given(nearly_good | views())
def test_taking_evidence_away_never_gets_a_version_through(view: EvidenceView) -> None:
    before = decide_again(view)
    for weaker in weakenings(view):
        after = decide_again(weaker)
        assert not after.allowed or before.allowed
        # With signatures as they stand, too: those of the fuller view do not cover this one.
        assert not decide(weaker, approved(view)).allowed or before.allowed


@given(st.data())
def test_taking_an_approval_away_never_improves_a_decision(data: st.DataObject) -> None:
    view = data.draw(nearly_good)
    facts = data.draw(signatures(view))
    before = evaluate(POLICY, view, facts, (), NOW)
    for index, taken in enumerate(facts.signed):
        if taken.verdict == "refuse":
            continue  # a refusal is no approval: the log keeps it, and it speaks against
        fewer = replace(facts, signed=facts.signed[:index] + facts.signed[index + 1 :])
        assert RANK[evaluate(POLICY, view, fewer, (), NOW).verdict] <= RANK[before.verdict]


@given(st.integers(2, 6), st.data())
def test_the_same_approval_many_times_is_one_approval(times: int, data: st.DataObject) -> None:
    view = evidence_view()
    one = signed("ada", view)
    facts = ApprovalFacts(requester="engineer", signed=(one,) * times)
    decision = decide(view, facts)
    assert decision.approvals.given == 1
    assert decision.verdict is Verdict.PENDING


@given(nearly_good)
def test_jobs_under_way_never_allow_and_never_move_the_digest(view: EvidenceView) -> None:
    idle = replace(view, under_way=frozenset())
    busy = replace(view, under_way=frozenset({"lineage", "bias", "performance"}))
    assert decide_again(busy).evidence_digest == decide_again(idle).evidence_digest
    assert decide_again(busy).allowed == decide_again(idle).allowed


@given(nearly_good, st.sampled_from(["requester", "trainer"]))
def test_whoever_asked_or_trained_cannot_be_one_of_the_two(view: EvidenceView, who: str) -> None:
    facts = replace(approved(view), **{who: "ada"})
    assert not decide(view, facts).allowed


def test_the_law_is_not_idle() -> None:
    """Some of what the strategies make is allowed, or the monotony above would show nothing."""
    assert decide_again(evidence_view()).allowed


def test_a_decision_is_neither_true_nor_false() -> None:
    decision = decide(evidence_view())
    with pytest.raises(TypeError, match=r"\.allowed"):
        bool(decision)


def test_a_moment_without_timezone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        evaluate(POLICY, evidence_view(), ApprovalFacts(), (), NOW.replace(tzinfo=None))


def test_a_policy_that_is_not_yet_in_force_denies() -> None:
    later = replace(POLICY, in_force_from=NOW.date() + timedelta(days=1))
    view = evidence_view()
    decision = evaluate(later, view, approved(view), (), NOW)
    assert decision.verdict is Verdict.DENY
    assert "in force only from" in decision.reasons[0]
    assert evaluate(
        replace(POLICY, in_force_from=NOW.date()), view, approved(view), (), NOW
    ).allowed


def test_a_policy_denies_after_its_last_day() -> None:
    view = evidence_view()
    last = replace(POLICY, in_force_until=NOW.date())
    assert evaluate(last, view, approved(view), (), NOW).allowed
    ended = replace(POLICY, in_force_until=NOW.date() - timedelta(days=1))
    decision = evaluate(ended, view, approved(view), (), NOW)
    assert decision.verdict is Verdict.DENY
    assert "was in force until" in decision.reasons[0]


def test_a_policy_says_nothing_about_an_alias_that_it_does_not_name() -> None:
    assert decide_again(evidence_view(alias="production")).verdict is Verdict.DENY
    assert decide_again(evidence_view(alias="CHAMPION")).allowed


def test_when_nothing_is_satisfied_nothing_is_allowed() -> None:
    first_champion_only = replace(POLICY, gates=POLICY.gates[4:])
    view = evidence_view(items=(), lineage=None)
    decision = evaluate(first_champion_only, view, approved(view, policy=POLICY), (), NOW)
    assert [gate.outcome.value for gate in decision.gates] == ["not_applicable"]
    assert decision.verdict is Verdict.DENY
    assert "nothing has been shown" in decision.reasons[0]


@settings(max_examples=40)
@given(views())
def test_missing_evidence_with_no_job_denies(view: EvidenceView) -> None:
    without = replace(view, lineage=None, under_way=frozenset())
    assert decide_again(without).verdict is Verdict.DENY
    without = replace(view, items=(), under_way=frozenset())
    assert decide_again(without).verdict is Verdict.DENY
