"""The recomputation gate: judged from measurements alone, and nothing missing ever passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.comparison import Verdict as Reproduced
from lineage.domain.comparison import compare
from lineage.domain.differences import Outcome
from registry.domain.errors import PolicyError
from registry.domain.evidence import EvidenceView
from registry.domain.gate_recomputation import judge_recomputation
from registry.domain.gate_result import GateResult
from registry.domain.policy import Policy
from registry.domain.policy_gates import MetricTolerance, RecomputationGate
from registry.domain.policy_parser import parse_policy
from registry.domain.words import GateOutcome
from registry.web.policy_words import explain_gates
from tests.unit.registry.samples import (
    NOW,
    OTHER_SUBJECT,
    RECOMPUTATION_POLICY,
    evidence_view,
    lineage_facts,
    recomputation_item,
    recomputation_measurements,
    recomputation_policy,
)

Change = Callable[[dict[str, Any]], object]
OUTCOMES = {GateOutcome.UNSATISFIED: 0, GateOutcome.INSUFFICIENT: 0, GateOutcome.SATISFIED: 1}


def the_gate(policy: Policy) -> RecomputationGate:
    [gate] = policy.recomputation_gates
    return gate


def judge(
    measurements: dict[str, Any] | None = None,
    *,
    policy: Policy | None = None,
    view: EvidenceView | None = None,
    **changed: Any,
) -> GateResult:
    policy = policy or recomputation_policy()
    item = recomputation_item(measurements)
    gate = replace(the_gate(policy), **changed)
    return judge_recomputation(policy, gate, view or evidence_view(items=(item,)), as_of=NOW)


def changed(change: Change) -> dict[str, Any]:
    measurements = recomputation_measurements()
    change(measurements)
    return measurements


def compared(recorded: Outcome, recomputed: Outcome) -> dict[str, Any]:
    """Give the measurements that the real comparison makes, with a control that changed."""
    found = compare(recorded, recomputed)
    return recomputation_measurements(
        **found.measurements, verdict=found.verdict.value, reason=found.reason
    )


def test_the_same_bytes_satisfy_and_the_result_says_so() -> None:
    result = judge(at_least=Reproduced.IDENTICAL)
    assert result.outcome is GateOutcome.SATISFIED
    assert (result.expected, result.actual) == ("identical", "identical")
    assert result.reason == (
        "Trained again from its record: identical. The model's files have the same bytes."
    )
    assert result.details["negative_control"] == "changed"
    assert result.evidence_digest == recomputation_item().digest


@pytest.mark.parametrize(
    ("recorded", "recomputed", "at_least", "outcome", "actual"),
    [
        # Other bytes, the same predictions: what pickles differ in is no model.
        ({"m": "1"}, {"m": "2"}, Reproduced.IDENTICAL, GateOutcome.SATISFIED, "identical"),
        ({"m": "1"}, {"m": "1"}, Reproduced.IDENTICAL, GateOutcome.SATISFIED, "identical"),
    ],
)
def test_the_strongest_that_can_be_compared_decides(
    recorded: dict[str, str],
    recomputed: dict[str, str],
    at_least: Reproduced,
    outcome: GateOutcome,
    actual: str,
) -> None:
    predictions = {"p": [0.25, 0.5]}
    found = compared(
        Outcome(recorded, {"accuracy": 0.9}, predictions=predictions),
        Outcome(recomputed, {"accuracy": 0.9}, predictions=predictions),
    )
    result = judge(found, at_least=at_least)
    assert (result.outcome, result.actual) == (outcome, actual)


def test_predictions_that_differ_by_rounding_are_within_tolerance_and_not_identical() -> None:
    found = compared(
        Outcome({"m": "1"}, predictions={"p": [0.25]}),
        Outcome({"m": "2"}, predictions={"p": [0.25 + 1e-10]}),
    )
    assert judge(found).outcome is GateOutcome.SATISFIED
    strict = judge(found, at_least=Reproduced.IDENTICAL)
    assert (strict.outcome, strict.actual) == (GateOutcome.UNSATISFIED, "within_tolerance")
    assert strict.reason.endswith("the policy asks for identical.")


def test_the_gates_own_bounds_judge_a_metric_again_whatever_the_recorder_made_of_it() -> None:
    found = compared(
        Outcome({"m": "1"}, {"accuracy": 0.906, "loss": 2.0}),
        Outcome({"m": "2"}, {"accuracy": 0.901, "loss": 2.0}),
    )
    assert found["verdict"] == "diverged"
    assert judge(found).outcome is GateOutcome.UNSATISFIED
    half_a_point = MetricTolerance("accuracy", Fraction("0.005"), "absolute")
    result = judge(found, tolerance=(half_a_point,))
    assert (result.outcome, result.actual) == (GateOutcome.SATISFIED, "within_tolerance")
    less = replace(half_a_point, at_most=Fraction("0.0049"))
    result = judge(found, tolerance=(less,))
    assert result.outcome is GateOutcome.UNSATISFIED
    assert result.reason.endswith(
        "The metric accuracy was 0.906 and is 0.901 now; 0.0049 (absolute) is accepted."
    )
    relative = MetricTolerance("accuracy", Fraction("0.0056"), "relative")
    assert judge(found, tolerance=(relative,)).outcome is GateOutcome.SATISFIED
    assert (
        judge(found, tolerance=(replace(relative, at_most=Fraction("0.0055")),)).outcome
        is GateOutcome.UNSATISFIED
    )
    # A bound on one metric excuses no other.
    other = compared(
        Outcome({"m": "1"}, {"accuracy": 0.906, "loss": 2.0}),
        Outcome({"m": "2"}, {"accuracy": 0.906, "loss": 2.1}),
    )
    assert judge(other, tolerance=(half_a_point,)).outcome is GateOutcome.UNSATISFIED


def test_a_tolerance_excuses_neither_other_predictions_nor_other_parameters() -> None:
    wide = MetricTolerance("accuracy", Fraction(1), "absolute")
    other = compared(
        Outcome({"m": "1"}, {"accuracy": 0.9}, predictions={"p": [0.25]}),
        Outcome({"m": "2"}, {"accuracy": 0.8}, predictions={"p": [0.75]}),
    )
    assert judge(other, tolerance=(wide,)).outcome is GateOutcome.UNSATISFIED
    seed = compared(
        Outcome({"m": "1"}, {"accuracy": 0.9}, {"seed": "0"}),
        Outcome({"m": "1"}, {"accuracy": 0.9}, {"seed": "1"}),
    )
    result = judge(seed, tolerance=(wide,))
    assert result.outcome is GateOutcome.UNSATISFIED
    assert "parameters" in result.reason


@pytest.mark.parametrize(
    ("control", "outcome"),
    [
        ({"result": "changed", "reason": "others"}, GateOutcome.SATISFIED),
        ({"result": "same", "reason": "Its output does not depend."}, GateOutcome.UNSATISFIED),
        ({"result": "failed", "reason": "It failed."}, GateOutcome.INSUFFICIENT),
        ({"result": "not_possible", "reason": "No labels."}, GateOutcome.INSUFFICIENT),
        (None, GateOutcome.INSUFFICIENT),
        ({"result": "fine", "reason": ""}, GateOutcome.INSUFFICIENT),
        ("changed", GateOutcome.INSUFFICIENT),
    ],
)
def test_the_negative_control_must_have_given_another_model(
    control: object, outcome: GateOutcome
) -> None:
    found = changed(lambda one: one.update(negative_control=control))
    assert judge(found).outcome is outcome


@pytest.mark.parametrize(
    ("control", "outcome"),
    [
        ({"result": "same", "reason": "The same came out."}, GateOutcome.SATISFIED),
        ({"result": "changed", "reason": "Another came out."}, GateOutcome.UNSATISFIED),
        ({"result": "failed", "reason": "It failed."}, GateOutcome.INSUFFICIENT),
        ({"result": "not_possible", "reason": "x.json"}, GateOutcome.INSUFFICIENT),
        (None, GateOutcome.INSUFFICIENT),
        ("same", GateOutcome.INSUFFICIENT),
    ],
)
def test_the_same_data_in_other_bytes_must_have_given_the_same_model_where_that_is_asked_for(
    control: object, outcome: GateOutcome
) -> None:
    found = changed(lambda one: one.update(near_control=control))
    result = judge(found, near_control=True)
    assert result.outcome is outcome
    if outcome is GateOutcome.SATISFIED:
        assert result.details["near_control"] == "same"


def test_an_old_policy_asks_for_no_control_that_was_not_there_and_says_nothing_of_it() -> None:
    gate = the_gate(recomputation_policy())
    assert gate.near_control is False
    assert "near_control" not in judge().details
    asking = RECOMPUTATION_POLICY.replace(
        "max_age_days: 30", "max_age_days: 30\n    near_control: true"
    )
    policy = parse_policy(asking)
    assert the_gate(policy).near_control is True
    [words] = [one for one in explain_gates(policy) if one.kind == "recomputation"]
    assert "Trained on the same data in other bytes it must come out the same model." in words.also


def test_a_policy_may_do_without_the_negative_control() -> None:
    found = changed(lambda one: one.update(negative_control=None))
    assert judge(found, negative_control=False).outcome is GateOutcome.SATISFIED


def test_what_could_not_be_reproduced_is_told_with_its_reason() -> None:
    reason = "data: the file was updated in place"
    found = {
        "verdict": "not_reproducible",
        "reason": reason,
        "record_sha256": lineage_facts().digest,
    }
    result = judge(found)
    assert (result.outcome, result.actual) == (GateOutcome.UNSATISFIED, "not_reproducible")
    assert reason in result.reason


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.pop("verdict"),
        lambda one: one.update(verdict="fine"),
        lambda one: one.pop("reason"),
        lambda one: one.pop("metrics"),
        lambda one: one.pop("parameters"),
        lambda one: one.pop("artifacts"),
        lambda one: one.pop("signature"),
        lambda one: one.pop("loading"),
        lambda one: one.update(loading="fine"),
        lambda one: one.update(record_sha256="f" * 64),
        lambda one: one["artifacts"].update(differing_count=True),
        lambda one: one["artifacts"].update(differing_count=-1),
        lambda one: one["parameters"].update(differing_count="0"),
        lambda one: one["predictions"].update(rows=0),
        lambda one: one["predictions"].update(identical=1),
        lambda one: one["predictions"].update(rows_differing=1),
        lambda one: one["predictions"].update(within_tolerance=False),
        lambda one: one["tolerance"].update(relative=0.5),
        lambda one: one["tolerance"].update(absolute=math.nan),
        lambda one: one["tolerance"].update(absolute=True),
        lambda one: one.update(metrics={"accuracy": 0.9}),
    ],
)
def test_what_cannot_be_relied_on_is_insufficient(change: Change) -> None:
    result = judge(changed(change))
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert result.evidence_digest is not None


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0.9", True])
def test_a_metric_that_is_no_number_never_passes(value: object) -> None:
    bound = (MetricTolerance("accuracy", Fraction(1), "absolute"),)
    for side in ("recorded", "recomputed"):
        found = changed(lambda one, side=side: one["metrics"]["accuracy"].update({side: value}))
        assert judge(found).outcome is GateOutcome.UNSATISFIED
        assert judge(found, tolerance=bound).outcome is not GateOutcome.SATISFIED


def test_a_metric_that_the_policy_names_must_have_been_measured() -> None:
    result = judge(tolerance=(MetricTolerance("auc", Fraction(1), "absolute"),))
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert "auc" in result.reason


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(signature="changed"),
        lambda one: one.update(loading="changed"),
        # The recorder saw something that these measurements do not tell.
        lambda one: one.update(verdict="diverged", reason="Something else."),
    ],
)
def test_what_speaks_against_the_version_does_so_whatever_the_bounds(change: Change) -> None:
    wide = (MetricTolerance("accuracy", Fraction(1), "absolute"),)
    for changes in ({}, {"tolerance": wide}, {"negative_control": False}):
        result = judge(changed(change), **changes)
        assert (result.outcome, result.actual) == (GateOutcome.UNSATISFIED, "diverged")


def test_nothing_compared_shows_nothing() -> None:
    found = changed(
        lambda one: one.update(
            artifacts={"compared": 1, "differing_count": 1},
            predictions=None,
            metrics={},
            verdict="identical",
        )
    )
    assert judge(found).outcome is GateOutcome.UNSATISFIED


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"subject_digest": OTHER_SUBJECT}, "other artifact bytes"),
        ({"produced_at": NOW - timedelta(days=31)}, "more than 30 days old"),
        ({"produced_at": NOW + timedelta(hours=1)}, "future"),
        ({"origin": "reported"}, "only what is computed"),
        ({"conclusion": "error", "reasons": ("no sandbox",)}, "no sandbox"),
        ({"superseded_by": "9" * 64}, "There is no recomputation evidence"),
    ],
)
def test_missing_stale_or_foreign_evidence_is_insufficient_and_pending_while_one_is_made(
    item: dict[str, Any], says: str
) -> None:
    view = evidence_view(items=(replace(recomputation_item(), **item),))
    result = judge(view=view)
    assert result.outcome is GateOutcome.INSUFFICIENT
    assert says in result.reason
    made_now = replace(view, under_way=frozenset({"recomputation"}))
    if "conclusion" not in item:
        assert judge(view=made_now).outcome is GateOutcome.PENDING


def test_of_a_superseded_lineage_record_it_shows_nothing() -> None:
    newer = replace(lineage_facts(), digest="9" * 64)
    view = evidence_view(items=(recomputation_item(),), lineage=newer)
    assert judge(view=view).outcome is GateOutcome.INSUFFICIENT
    made_now = replace(view, under_way=frozenset({"recomputation"}))
    assert judge(view=made_now).outcome is GateOutcome.PENDING
    gone = evidence_view(items=(recomputation_item(),), lineage=None)
    assert judge(view=gone).outcome is GateOutcome.INSUFFICIENT


numbers = st.none() | st.floats() | st.sampled_from([0.9, 0.901])
metrics = st.dictionaries(
    st.sampled_from(["accuracy", "loss"]),
    st.fixed_dictionaries({"recorded": numbers, "recomputed": numbers}),
)


@given(metrics, st.fractions(0, 1), st.fractions(0, 1), st.sampled_from(["absolute", "relative"]))
def test_a_narrower_bound_never_passes_more(
    measured: dict[str, Any], one: Fraction, other: Fraction, unit: str
) -> None:
    found = changed(lambda kept: kept.update(metrics=measured))
    narrow, wide = sorted([one, other])
    outcomes = [
        OUTCOMES[judge(found, tolerance=(MetricTolerance("accuracy", bound, unit),)).outcome]
        for bound in (narrow, wide)
    ]
    assert outcomes[0] <= outcomes[1]
    assert (
        OUTCOMES[judge(found, at_least=Reproduced.IDENTICAL).outcome]
        <= OUTCOMES[judge(found).outcome]
    )


def test_a_policy_is_read_with_its_defaults_and_explained() -> None:
    policy = recomputation_policy()
    gate = the_gate(policy)
    assert (gate.at_least, gate.max_age_days) == (Reproduced.WITHIN_TOLERANCE, 30)
    assert gate.negative_control is True
    assert gate.tolerance == ()
    [words] = [one for one in explain_gates(policy) if one.kind == "recomputation"]
    assert "not more than 30 days ago, and it came out within tolerance or better" in words.asks
    assert "Trained on permuted labels it must come out another model." in words.also


@pytest.mark.parametrize(
    ("lines", "path", "code"),
    [
        ("at_least: diverged", "at_least", "unknown_value"),
        ("at_least: identical\n    max_age_days: 0", "max_age_days", "out_of_range"),
        ("at_least: identical\n    negative_control: 1", "negative_control", "type"),
        ("at_least: identical\n    near_control: 1", "near_control", "type"),
        ("at_least: identical\n    tolerances: []", "tolerances", "unknown_key"),
        (
            "at_least: identical\n    tolerance: [{metric: auc, at_most: 0.1, unit: absolute}]",
            "tolerance",
            "conflict",
        ),
        (
            "at_least: within_tolerance\n    tolerance: [{metric: auc, at_most: 1, unit: percent}]",
            "tolerance[0].unit",
            "unknown_value",
        ),
        (
            (
                "at_least: within_tolerance\n"
                "    tolerance: [{metric: auc, at_most: 0.2, unit: relative}]"
            ),
            "tolerance[0].at_most",
            "out_of_range",
        ),
        (
            "at_least: within_tolerance\n    tolerance: [{at_most: 0.1, unit: absolute}]",
            "tolerance[0].metric",
            "missing_key",
        ),
    ],
)
def test_a_fault_in_the_document_is_named_with_its_path(lines: str, path: str, code: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(recomputation_document(lines))
    found = {problem.path: problem.code for problem in caught.value.problems}
    assert found.get(f"gates[0].{path}") == code


def test_nobody_reports_a_retraining() -> None:
    document = recomputation_document("at_least: identical").replace("[computed]", "[reported]")
    with pytest.raises(PolicyError) as caught:
        parse_policy(document)
    assert "gates[0].accepts" in {problem.path for problem in caught.value.problems}


def recomputation_document(lines: str) -> str:
    from tests.unit.registry.samples import RECOMPUTATION_POLICY

    age = "" if "max_age_days" in lines else "\n    max_age_days: 30"
    return RECOMPUTATION_POLICY.replace(
        "at_least: within_tolerance\n    max_age_days: 30", f"{lines}{age}"
    )
