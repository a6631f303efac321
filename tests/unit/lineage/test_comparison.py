"""The verdict of a recomputation: what is compared, and that nothing missing makes it better."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.domain.comparison import Basis, Verdict, compare, compare_all
from lineage.domain.control import (
    ControlResult,
    conclude,
    judge_control,
    judge_near_control,
    measure_spread,
)
from lineage.domain.differences import Outcome, Tolerance

FILES = {"MLmodel": "1" * 64, "model.pkl": "2" * 64, "requirements.txt": "3" * 64}
THERE = Outcome(
    files=FILES,
    metrics={"accuracy": 0.906, "impact_ratio": 0.908},
    parameters={"seed": "0"},
    signature="[x: double]",
    predictions={"prediction": [1, 0, 1], "score": [0.9, 0.1, 0.8]},
)
OTHER_BYTES = {**FILES, "model.pkl": "9" * 64}
RANK = [
    Verdict.NOT_REPRODUCIBLE,
    Verdict.DIVERGED,
    Verdict.WITHIN_TOLERANCE,
    Verdict.IDENTICAL,
]


def test_the_same_bytes_are_identical() -> None:
    found = compare(THERE, THERE)
    assert (found.verdict, found.measurements["basis"]) == (
        Verdict.IDENTICAL,
        Basis.ARTIFACT_BYTES,
    )


def test_the_file_that_mlflow_never_writes_twice_alike_is_left_out() -> None:
    found = compare(THERE, replace(THERE, files={**FILES, "MLmodel": "8" * 64}))
    assert found.verdict is Verdict.IDENTICAL
    assert found.measurements["artifacts"]["left_out"] == ["MLmodel"]


def test_other_bytes_with_the_same_predictions_are_identical_by_predictions() -> None:
    found = compare(THERE, replace(THERE, files=OTHER_BYTES))
    assert (found.verdict, found.measurements["basis"]) == (Verdict.IDENTICAL, Basis.PREDICTIONS)
    assert "3 rows" in found.reason


def test_scores_that_differ_by_rounding_are_within_tolerance() -> None:
    near = {"prediction": [1, 0, 1], "score": [0.9 + 1e-12, 0.1, 0.8]}
    found = compare(THERE, replace(THERE, files=OTHER_BYTES, predictions=near))
    assert found.verdict is Verdict.WITHIN_TOLERANCE
    assert 0 < found.measurements["predictions"]["max_difference"] < 1e-11


@pytest.mark.parametrize(
    ("predictions", "said"),
    [
        ({"prediction": [1, 1, 1], "score": [0.9, 0.1, 0.8]}, "1 of 3 rows"),
        ({"prediction": [1, 0, 1], "score": [0.9, 0.1, 0.81]}, "by up to 0.01"),
        ({"prediction": [1, 0, 1], "score": [0.9, 0.1, math.nan]}, "1 of 3 rows"),
        ({"prediction": [1, 0, 1]}, "3 of 3 rows"),
        ({"prediction": [1, 0], "score": [0.9, 0.1]}, "3 of 3 rows"),
        ({"prediction": [1.0, 0, 1], "score": [0.9, 0.1, 0.8]}, "1 of 3 rows"),
        (None, "3 of 3 rows"),
    ],
)
def test_other_predictions_diverge(predictions: object, said: str) -> None:
    found = compare(THERE, replace(THERE, files=OTHER_BYTES, predictions=predictions))
    assert found.verdict is Verdict.DIVERGED
    assert said in found.reason


def test_a_version_that_does_not_answer_is_not_judged_by_its_metrics_alone() -> None:
    silent = replace(THERE, predictions=None)
    found = compare(silent, replace(THERE, files=OTHER_BYTES))
    assert found.verdict is Verdict.DIVERGED


def test_of_several_retrainings_the_worst_counts() -> None:
    other = replace(THERE, files=OTHER_BYTES, metrics={"accuracy": 0.5, "impact_ratio": 0.9})
    assert compare_all(THERE, [THERE, THERE]).verdict is Verdict.IDENTICAL
    assert compare_all(THERE, [THERE, other, THERE]).verdict is Verdict.DIVERGED


def test_a_metric_that_is_off_diverges_even_where_the_bytes_are_the_same() -> None:
    found = compare(replace(THERE, metrics={"accuracy": 0.94}), THERE)
    assert found.verdict is Verdict.DIVERGED
    assert "The metric accuracy differs by 0.034: 0.94 was recorded and 0.906" in found.reason


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_metric_that_is_no_number_is_never_a_pass(value: float | None) -> None:
    either = replace(THERE, metrics={"accuracy": value})
    assert compare(either, THERE).verdict is Verdict.DIVERGED
    assert compare(THERE, either).verdict is Verdict.DIVERGED
    assert compare(either, either).verdict is Verdict.DIVERGED


def test_a_metric_that_did_not_come_out_again_diverges() -> None:
    found = compare(THERE, replace(THERE, metrics={"accuracy": 0.906}))
    assert found.verdict is Verdict.DIVERGED
    assert "impact_ratio cannot be compared" in found.reason


def test_how_long_it_took_is_not_compared() -> None:
    timed = {"fit_seconds": 3.0, "system/cpu_utilization": 80.0, "training.time": 9.0}
    found = compare(
        replace(THERE, metrics={**THERE.metrics, **timed}),
        replace(THERE, metrics={**THERE.metrics, "fit_seconds": 4.0}),
    )
    assert found.verdict is Verdict.IDENTICAL
    assert set(found.measurements["metrics"]) == {"accuracy", "impact_ratio"}


def test_a_changed_parameter_is_named_with_both_values() -> None:
    found = compare(THERE, replace(THERE, parameters={"seed": "1"}))
    assert (found.verdict, found.leg) == (Verdict.DIVERGED, "configuration")
    assert "The parameter seed was '0' and is '1' now" in found.reason


def test_another_signature_diverges() -> None:
    assert compare(THERE, replace(THERE, signature="[y: double]")).verdict is Verdict.DIVERGED


def test_a_model_that_is_loaded_another_way_diverges() -> None:
    found = compare(replace(THERE, loading="a"), replace(THERE, loading="b"))
    assert (found.verdict, found.reason) == (
        Verdict.DIVERGED,
        "The MLmodel file says something else than it did.",
    )


def test_metrics_alone_are_never_identical() -> None:
    bare = replace(THERE, predictions=None)
    found = compare(bare, replace(bare, files=OTHER_BYTES))
    assert (found.verdict, found.measurements["basis"]) == (
        Verdict.WITHIN_TOLERANCE,
        Basis.METRICS,
    )


def test_where_nothing_can_be_compared_nothing_is_reproduced() -> None:
    bare = Outcome(files=FILES)
    assert compare(bare, Outcome(files=OTHER_BYTES)).verdict is Verdict.NOT_REPRODUCIBLE
    assert compare(Outcome({}), Outcome({})).verdict is Verdict.NOT_REPRODUCIBLE


numbers = st.one_of(st.none(), st.floats(), st.sampled_from([0.5, 0.5 + 1e-12]))
outcomes = st.builds(
    Outcome,
    files=st.sampled_from([FILES, OTHER_BYTES, {}]),
    metrics=st.dictionaries(st.sampled_from(["a", "b"]), numbers),
    parameters=st.dictionaries(st.sampled_from(["p"]), st.sampled_from(["0", "1"])),
    signature=st.sampled_from(["", "s"]),
    predictions=st.one_of(
        st.none(),
        st.dictionaries(st.sampled_from(["y"]), st.lists(st.floats(), max_size=2)),
    ),
)


@given(outcomes, outcomes)
def test_taking_away_what_can_be_compared_never_makes_the_verdict_better(
    recorded: Outcome, recomputed: Outcome
) -> None:
    whole = compare(recorded, recomputed).verdict
    for less in (
        # What only one of the two predicted could not be compared in the first place.
        replace(recomputed, predictions=None) if recorded.predictions else recomputed,
        replace(recomputed, metrics={}),
        replace(recomputed, files={}),
    ):
        verdict = compare(recorded, less).verdict
        assert not verdict.is_reproduced or RANK.index(verdict) <= RANK.index(whole)


@given(outcomes, outcomes)
def test_a_comparison_can_be_stored(recorded: Outcome, recomputed: Outcome) -> None:
    from muniment.attest.digest import canonical_json

    canonical_json(dict(compare(recorded, recomputed).measurements))


@pytest.mark.parametrize("absolute", [-1.0, math.nan, math.inf, 2.0])
def test_a_tolerance_is_a_number_from_0_to_1(absolute: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Tolerance(absolute=absolute)


def test_a_model_that_comes_out_the_same_on_permuted_labels_does_not_depend_on_the_data() -> None:
    control = judge_control(THERE, replace(THERE, files=OTHER_BYTES))
    assert control.result is ControlResult.SAME
    assert "does not depend on the data" in control.reason


def test_the_same_bytes_on_permuted_labels_are_enough() -> None:
    bare = replace(THERE, predictions=None)
    assert judge_control(bare, bare).result is ControlResult.SAME


def test_another_model_on_permuted_labels_is_as_it_should_be() -> None:
    other = replace(
        THERE,
        files=OTHER_BYTES,
        predictions={"prediction": [0, 0, 1], "score": [0.1, 0.1, 0.8]},
    )
    assert judge_control(THERE, other).result is ControlResult.CHANGED


def test_a_prediction_here_and_there_is_no_dependence_on_the_labels() -> None:
    many = replace(THERE, predictions={"prediction": [0.5] * 40})
    other = replace(THERE, files=OTHER_BYTES, predictions={"prediction": [0.5] * 39 + [0.9]})
    assert judge_control(many, other).result is ControlResult.NOT_POSSIBLE


def test_a_model_that_was_not_asked_shows_nothing_in_the_control() -> None:
    silent = replace(THERE, predictions=None)
    found = judge_control(silent, replace(THERE, files=OTHER_BYTES))
    assert found.result is ControlResult.NOT_POSSIBLE


def test_files_that_differ_show_nothing_alone() -> None:
    bare = replace(THERE, predictions=None)
    control = judge_control(bare, replace(bare, files=OTHER_BYTES))
    assert control.result is ControlResult.NOT_POSSIBLE


def test_the_same_model_of_the_same_data_in_other_bytes_is_as_it_should_be() -> None:
    # The digest of what was read is an honest parameter.
    there, here = (replace(THERE, parameters={"data": digest}) for digest in ("a", "b"))
    assert judge_near_control(there, here).result is ControlResult.SAME
    rounding = {"prediction": [1, 0, 1], "score": [0.9 + 1e-12, 0.1, 0.8]}
    near = replace(here, files=OTHER_BYTES, predictions=rounding)
    assert judge_near_control(there, near).result is ControlResult.SAME


def test_another_model_of_the_same_data_in_other_bytes_is_not_reproducible() -> None:
    other = replace(
        THERE,
        files=OTHER_BYTES,
        predictions={"prediction": [1, 0, 0], "score": [0.9, 0.1, 0.2]},
    )
    near = judge_near_control(THERE, other)
    assert near.result is ControlResult.CHANGED
    verdict, reason = conclude(compare(THERE, THERE), None, None, near)
    assert verdict is Verdict.NOT_REPRODUCIBLE
    assert reason.startswith(
        "The training depends on the bytes of its data, not on what they say. "
    )
    assert near.reason in reason


def test_models_that_cannot_be_compared_show_nothing_in_the_near_control() -> None:
    bare = Outcome({}, {}, {})
    near = judge_near_control(bare, bare)
    assert near.result is ControlResult.NOT_POSSIBLE
    found = compare(THERE, THERE)
    assert conclude(found, None, None, near) == (found.verdict, found.reason)


def test_the_spread_tells_a_training_that_was_never_deterministic() -> None:
    wobbling = replace(
        THERE,
        metrics={"accuracy": 0.91, "impact_ratio": 0.908},
        predictions={"prediction": [1, 0, 1], "score": [0.9, 0.1, 0.7]},
    )
    spread = measure_spread([THERE, wobbling, THERE])
    assert spread["repeats"] == 3
    assert spread["is_deterministic"] is False
    assert spread["metrics"]["accuracy"] == [0.906, 0.91]
    assert spread["predictions_max_difference"] == pytest.approx(0.1)
    assert measure_spread([THERE, THERE])["is_deterministic"] is True


def test_a_model_that_does_not_depend_on_its_data_is_not_reproducible() -> None:
    control = judge_control(THERE, THERE)
    verdict, reason = conclude(compare(THERE, THERE), control, None)
    assert verdict is Verdict.NOT_REPRODUCIBLE
    assert reason.startswith("Output does not depend on the data.")


def test_the_spread_says_whether_a_difference_is_chance() -> None:
    found = compare(replace(THERE, metrics={"accuracy": 0.94}), THERE)
    steady = measure_spread([THERE, THERE])
    assert "so it is not chance" in conclude(found, None, steady)[1]
    wobbling = measure_spread([THERE, replace(THERE, metrics={"accuracy": 0.1})])
    assert "never deterministic" in conclude(found, None, wobbling)[1]
    assert conclude(found, None, None) == (found.verdict, found.reason)
