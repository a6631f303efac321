"""Each gate: what satisfies it, what does not, and what it says."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registry.domain.approvals import ApprovalFacts
from registry.domain.evaluation import evaluate
from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_result import GateResult
from registry.domain.words import GateOutcome, Grade, Origin, Verdict
from tests.unit.registry.samples import (
    NOW,
    OTHER_SUBJECT,
    bias_item,
    bias_measurements,
    champion_facts,
    credit_decision,
    decide,
    evidence_view,
    lineage_facts,
    outcomes,
    performance_item,
    performance_measurements,
)


def gate(view: EvidenceView, gate_id: str) -> GateResult:
    return next(result for result in decide(view).gates if result.id == gate_id)


def with_items(*items: EvidenceItem) -> EvidenceView:
    return evidence_view(items=items)


def test_complete_evidence_satisfies_every_gate_and_waits_for_reviewers() -> None:
    decision = decide(evidence_view())
    assert outcomes(decision) == {
        "lineage": "satisfied",
        "bias-race": "satisfied",
        "bias-sex": "satisfied",
        "balanced-accuracy": "satisfied",
        "not-worse-than-champion": "not_applicable",
    }
    assert decision.verdict is Verdict.PENDING


@pytest.mark.parametrize("grade", [Grade.MISSING, Grade.WEAK])
@pytest.mark.parametrize("leg", ["code", "data", "environment", "configuration"])
def test_a_leg_below_the_asked_grade_is_named(leg: str, grade: Grade) -> None:
    result = gate(evidence_view(lineage=lineage_facts(**{leg: grade})), "lineage")
    assert result.outcome is GateOutcome.UNSATISFIED
    assert f"{leg} is {grade.value}" in result.reason
    assert (result.expected, result.actual) == (4, 3)


def test_a_leg_that_the_record_does_not_mention_is_missing() -> None:
    facts = lineage_facts()
    result = gate(evidence_view(lineage=replace(facts, legs=facts.legs[1:])), "lineage")
    assert result.outcome is GateOutcome.UNSATISFIED
    assert (result.expected, result.actual) == (4, 3)


def test_a_leg_graded_twice_counts_by_its_worst_grade() -> None:
    facts = lineage_facts()
    twice = (*facts.legs, replace(facts.legs[0], grade=Grade.WEAK))
    result = gate(evidence_view(lineage=replace(facts, legs=twice)), "lineage")
    assert result.outcome is GateOutcome.UNSATISFIED


def test_verified_legs_are_more_than_enough() -> None:
    facts = lineage_facts(code=Grade.VERIFIED, data=Grade.VERIFIED)
    assert gate(evidence_view(lineage=facts), "lineage").satisfied


@pytest.mark.parametrize(
    "view",
    [
        evidence_view(lineage=None),
        evidence_view(lineage=replace(lineage_facts(), subject_digest=OTHER_SUBJECT)),
    ],
)
def test_no_lineage_of_these_bytes_is_insufficient_or_pending(view: EvidenceView) -> None:
    assert gate(view, "lineage").outcome is GateOutcome.INSUFFICIENT
    being_made = replace(view, under_way=frozenset({"lineage"}))
    assert gate(being_made, "lineage").outcome is GateOutcome.PENDING


def test_adverse_impact_is_unsatisfied_with_the_ratio_as_a_number() -> None:
    view = with_items(bias_item(bias_measurements(black_selected=75)), performance_item())
    result = gate(view, "bias-race")
    assert result.outcome is GateOutcome.UNSATISFIED
    assert result.expected == 0.8
    assert result.actual == pytest.approx(0.774, abs=0.001)
    assert "Black" in result.reason
    assert "0.774" in result.reason
    # The other attribute has its own gate, which this does not touch.
    assert gate(view, "bias-sex").satisfied


def test_the_recorded_conclusion_is_not_believed() -> None:
    measurements = bias_measurements(black_selected=75)
    measurements["attributes"]["race"]["verdict"] = "pass"
    for group in measurements["attributes"]["race"]["groups"].values():
        group |= {"impact_ratio": 1.0, "ratio_low": 0.99, "below": False, "verdict": "pass"}
    claimed = bias_item(measurements, conclusion="pass")
    result = gate(with_items(claimed, performance_item()), "bias-race")
    assert result.outcome is GateOutcome.UNSATISFIED
    assert result.actual == pytest.approx(0.774, abs=0.001)


def test_a_failed_conclusion_by_other_criteria_is_judged_again_too() -> None:
    judged_strictly = bias_item(conclusion="fail")
    assert gate(with_items(judged_strictly, performance_item()), "bias-race").satisfied


@pytest.mark.parametrize("conclusion", ["error", "passed", "", "PASS"])
def test_evidence_that_is_an_error_or_no_known_conclusion_is_insufficient(conclusion: str) -> None:
    broken = bias_item(conclusion=conclusion, reasons=("NaN in the column label",))
    result = gate(with_items(broken, performance_item()), "bias-race")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert "NaN in the column label" in result.reason


@pytest.mark.parametrize(
    "black_selected", [82, 83]
)  # 0.846 and 0.857 of the reference's rate: not below, and not demonstrated
def test_a_ratio_that_is_not_demonstrated_is_insufficient(black_selected: int) -> None:
    view = with_items(
        bias_item(bias_measurements(black_selected=black_selected)), performance_item()
    )
    result = gate(view, "bias-race")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert "lower end" in result.reason
    assert result.actual is not None
    assert result.actual > 0.8
    assert decide(view).verdict is Verdict.DENY


def test_too_many_unknown_people_are_named_as_what_decided() -> None:
    measurements = bias_measurements(black_selected=91)
    groups = measurements["attributes"]["sex"]["groups"]
    groups["unknown"]["n"], groups["unknown"]["selected"] = 108, 100
    groups["Male"]["n"], groups["Male"]["selected"] = 700, groups["Male"]["selected"] - 93
    result = gate(with_items(bias_item(measurements), performance_item()), "bias-sex")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert "no known group" in result.reason


def test_an_intersection_that_the_policy_wants_shown_must_be_there() -> None:
    measurements = bias_measurements(black_selected=91)
    del measurements["attributes"]["race × sex"]
    result = gate(with_items(bias_item(measurements), performance_item()), "bias-race")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert "race × sex" in result.reason


def test_an_attribute_that_was_not_measured_is_insufficient() -> None:
    measurements = bias_measurements(black_selected=91)
    del measurements["attributes"]["sex"]
    result = gate(with_items(bias_item(measurements), performance_item()), "bias-sex")
    assert result.outcome is GateOutcome.INSUFFICIENT


UNUSABLE = [
    pytest.param({"subject_digest": OTHER_SUBJECT}, "other artifact bytes", id="wrong-subject"),
    pytest.param({"produced_at": NOW - timedelta(days=91)}, "more than 90 days", id="stale"),
    pytest.param({"produced_at": NOW + timedelta(hours=1)}, "future", id="future"),
    pytest.param(
        {"produced_at": NOW.replace(tzinfo=None)}, "does not say when", id="without-timezone"
    ),
    pytest.param({"origin": "rumoured"}, "accepts only", id="unknown-origin"),
    pytest.param({"superseded_by": "9" * 64}, "no performance evidence", id="superseded"),
]


@pytest.mark.parametrize(("changes", "words"), UNUSABLE)
def test_evidence_that_cannot_be_used_is_never_satisfied(
    changes: dict[str, Any], words: str
) -> None:
    view = with_items(bias_item(), performance_item(**changes))
    result = gate(view, "balanced-accuracy")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert words in result.reason
    assert decide(view).verdict is Verdict.DENY


@pytest.mark.parametrize(("changes", "words"), UNUSABLE)
def test_evidence_that_cannot_be_used_is_pending_while_new_is_made(
    changes: dict[str, Any], words: str
) -> None:
    view = evidence_view(
        items=(bias_item(), performance_item(**changes)), under_way=frozenset({"performance"})
    )
    assert gate(view, "balanced-accuracy").outcome is GateOutcome.PENDING
    assert decide(view).verdict is Verdict.PENDING


def test_evidence_is_good_to_the_last_moment_of_its_age() -> None:
    oldest = performance_item(produced_at=NOW - timedelta(days=90))
    assert gate(with_items(bias_item(), oldest), "balanced-accuracy").satisfied
    older = replace(oldest, produced_at=oldest.produced_at - timedelta(microseconds=1))
    assert not gate(with_items(bias_item(), older), "balanced-accuracy").satisfied


def test_reported_evidence_is_refused_where_only_computed_is_accepted() -> None:
    policy = credit_decision()
    only_computed = replace(
        policy,
        gates=tuple(replace(one, accepts=frozenset({Origin.COMPUTED})) for one in policy.gates),
    )
    decision = evaluate(only_computed, evidence_view(), ApprovalFacts(), (), NOW)
    assert {result.outcome for result in decision.gates} == {
        GateOutcome.INSUFFICIENT,
        GateOutcome.NOT_APPLICABLE,
    }
    assert decision.verdict is Verdict.DENY


def test_approving_everybody_does_not_reach_the_floor() -> None:
    everybody = performance_measurements(tp=893, fp=102, tn=0, fn=0)
    result = gate(with_items(bias_item(), performance_item(everybody)), "balanced-accuracy")
    assert result.outcome is GateOutcome.UNSATISFIED
    assert result.actual == 0.5


def test_the_floor_itself_is_enough() -> None:
    # 310 of 500 and 240 of 500: exactly 0.55, which the sum of two floats reaches only by luck.
    exact = performance_measurements(tp=310, fp=260, tn=240, fn=190)
    assert gate(with_items(bias_item(), performance_item(exact)), "balanced-accuracy").satisfied
    below = performance_measurements(tp=309, fp=260, tn=240, fn=191)
    result = gate(with_items(bias_item(), performance_item(below)), "balanced-accuracy")
    assert result.outcome is GateOutcome.UNSATISFIED
    assert "0.549" in result.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"accuracy": 0.99}, "stated accuracy"),
        ({"accuracy": math.nan}, "stated accuracy"),
        ({"balanced_accuracy": math.inf}, "stated balanced accuracy"),
        ({"balanced_accuracy": True}, "stated balanced accuracy"),
        ({"accuracy": 10**400}, "stated accuracy"),
        ({"n": 994}, "add up"),
        ({"tp": 870.0}, "whole numbers"),
        ({"tp": -870}, "whole numbers"),
        ({"fn": True}, "whole numbers"),
        ({"tp": None}, "whole numbers"),
        ({"rows_digest": None}, "rows_digest"),
        ({"rows_digest": "0" * 63}, "rows_digest"),
    ],
)
def test_measurements_that_contradict_themselves_are_insufficient(
    changes: dict[str, Any], words: str
) -> None:
    measurements = performance_measurements() | changes
    result = gate(with_items(bias_item(), performance_item(measurements)), "balanced-accuracy")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert words in result.reason


def test_too_few_rows_are_insufficient_however_good() -> None:
    few = performance_measurements(tp=9, fp=0, tn=9, fn=0)
    result = gate(with_items(bias_item(), performance_item(few)), "balanced-accuracy")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert "18 rows" in result.reason


def test_one_class_alone_has_no_balanced_accuracy() -> None:
    approvals_only = performance_measurements(tp=995, fp=0, tn=0, fn=0)
    result = gate(with_items(bias_item(), performance_item(approvals_only)), "balanced-accuracy")
    assert result.outcome is GateOutcome.INSUFFICIENT


def test_a_drop_of_exactly_the_bound_satisfies_and_one_row_more_does_not() -> None:
    champion = champion_facts(
        items=(
            performance_item(
                performance_measurements(tp=800, fp=50, tn=100, fn=50),
                subject_digest=OTHER_SUBJECT,
            ),
        )
    )
    for wrong, outcome in ((30, GateOutcome.SATISFIED), (31, GateOutcome.UNSATISFIED)):
        measurements = performance_measurements(tp=800 - wrong, fp=50, tn=100, fn=50 + wrong)
        view = evidence_view(items=(bias_item(), performance_item(measurements)), champion=champion)
        result = gate(view, "not-worse-than-champion")
        assert result.outcome is outcome
        assert result.expected == 0.87
        assert result.actual == (900 - wrong) / 1000


def test_better_than_the_champion_satisfies() -> None:
    view = evidence_view(
        items=(bias_item(), performance_item(performance_measurements(tp=893, fn=0))),
        champion=champion_facts(),
    )
    assert gate(view, "not-worse-than-champion").satisfied


def test_other_rows_cannot_be_compared() -> None:
    other = performance_item(performance_measurements(rows_digest="f" * 64))
    view = evidence_view(items=(bias_item(), other), champion=champion_facts())
    result = gate(view, "not-worse-than-champion")
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert "other rows" in result.reason


def test_the_same_rows_with_other_labels_are_a_contradiction() -> None:
    other = performance_item(performance_measurements(tp=880, fp=60, tn=32, fn=23))
    view = evidence_view(items=(bias_item(), other), champion=champion_facts())
    assert gate(view, "not-worse-than-champion").outcome is GateOutcome.INSUFFICIENT


@pytest.mark.parametrize(
    "champion",
    [
        None,
        champion_facts(items=()),
        champion_facts(subject_digest="dirHash:" + "c" * 64),
        champion_facts(
            items=(performance_item({"accuracy": math.nan}, subject_digest=OTHER_SUBJECT),)
        ),
    ],
)
def test_a_champion_without_evidence_is_insufficient_and_not_a_free_pass(champion: Any) -> None:
    view = evidence_view(champion=champion, alias_ever_held=True)
    assert gate(view, "not-worse-than-champion").outcome is GateOutcome.INSUFFICIENT
    assert decide(view).verdict is Verdict.DENY


def test_a_champion_whose_evidence_is_being_made_is_waited_for() -> None:
    champion = champion_facts(items=(), under_way=frozenset({"performance"}))
    view = evidence_view(champion=champion)
    assert gate(view, "not-worse-than-champion").outcome is GateOutcome.PENDING


def test_every_reason_is_a_sentence_with_plain_numbers_beside_it() -> None:
    views = [
        evidence_view(champion=champion_facts()),
        evidence_view(items=(), lineage=None),
        with_items(bias_item(bias_measurements(black_selected=75)), performance_item()),
        with_items(bias_item({}), performance_item({})),
    ]
    for view in views:
        for result in decide(view).gates:
            assert result.reason[0].isupper()
            assert result.reason.endswith(".")
            for value in (result.expected, result.actual):
                assert value is None or isinstance(value, str | int | float)
