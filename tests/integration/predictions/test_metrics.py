"""The counted cells give what fairlearn gives on the rows, to the last bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    equalized_odds_difference,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, precision_score

from audits.domain.bias import BiasCriteria
from audits.predictions.cells import Cell, Cells, PredictionColumns
from audits.predictions.metrics import measure, performance
from audits.predictions.reading import count_cells

RACE_ALONE = BiasCriteria(attributes=("race",), intersections=())
METRICS = {
    "selection_rate": selection_rate,
    "accuracy": accuracy_score,
    "tpr": true_positive_rate,
    "fpr": false_positive_rate,
    "fnr": false_negative_rate,
    "ppv": precision_score,
}


@pytest.fixture(scope="module")
def rows(applications: pd.DataFrame) -> pd.DataFrame:
    named = applications.fillna({"sex": "unknown"})
    both = named.race + " × " + named.sex
    return named.assign(**{"race × sex": np.where(named.sex == "unknown", "unknown", both)})


@pytest.fixture
def measured(predictions: Path) -> dict[str, Any]:
    cells = count_cells(predictions, PredictionColumns(groups=("race", "sex")))
    assert isinstance(cells, Cells)
    return json.loads(json.dumps(measure(cells, BiasCriteria()), allow_nan=False))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("attribute", ["race", "sex", "race × sex"])
def test_every_rate_equals_fairlearn_on_the_rows_to_the_last_bit(
    rows: pd.DataFrame, measured: dict[str, Any], attribute: str
) -> None:
    frame = MetricFrame(
        metrics=METRICS,
        y_true=rows.label,
        y_pred=rows.prediction,
        sensitive_features=rows[attribute].rename("group"),
    )
    groups = measured["attributes"][attribute]["groups"]
    assert set(groups) == set(frame.by_group.index)
    for name, found in groups.items():
        expected = frame.by_group.loc[name]
        here = rows[rows[attribute] == name]
        assert found["n"] == len(here)
        assert found["selection_rate"] == expected["selection_rate"]
        assert found["accuracy"] == expected["accuracy"]
        for metric, people in (
            ("tpr", (here.label == 1).sum()),
            ("fnr", (here.label == 1).sum()),
            ("fpr", (here.label == 0).sum()),
            ("ppv", (here.prediction == 1).sum()),
        ):
            # 0/0 is 0.0 there and null here.
            assert found[metric] == (expected[metric] if people else None)


def test_people_who_are_all_the_same_are_measured() -> None:
    found: Any = measure(Cells(("race",), (Cell(("A",), 1, 1, 9),), None), RACE_ALONE)
    group = found["attributes"]["race"]["groups"]["A"]
    assert (group["selection_rate"], group["tpr"], group["fpr"]) == (1.0, 1.0, None)
    assert found["attributes"]["race"]["verdict"] == "insufficient"


PEOPLE = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from("MF"), st.integers(0, 1), st.integers(0, 1)),
    min_size=1,
    max_size=60,
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@settings(max_examples=8)
@given(PEOPLE, st.integers(1, 10**6))
def test_any_people_have_fairlearns_rates_to_the_last_bit(
    people: list[tuple[str, str, int, int]], times: int
) -> None:
    frame = pd.DataFrame(people, columns=["race", "sex", "label", "prediction"])
    counted = frame.value_counts(sort=False)
    cells = Cells(
        ("race", "sex"),
        tuple(Cell(key[:2], *key[2:], int(n)) for key, n in counted.items()),  # type: ignore[misc,index]
        None,
    )
    found: Any = measure(cells, BiasCriteria())["attributes"]
    frame["race × sex"] = frame.race + " × " + frame.sex
    for attribute in ("race", "race × sex"):
        expected = MetricFrame(
            metrics=METRICS,
            y_true=frame.label,
            y_pred=frame.prediction,
            sensitive_features=list(frame[attribute]),
        ).by_group
        groups = found[attribute]["groups"]
        assert len(groups) == len(expected)
        for name, rates in expected.iterrows():
            group = groups[name]
            undefined = {
                "tpr": group["tp"] + group["fn"] == 0,
                "fnr": group["tp"] + group["fn"] == 0,
                "fpr": group["fp"] + group["tn"] == 0,
                "ppv": group["tp"] + group["fp"] == 0,
            }
            for metric in METRICS:
                assert group[metric] == (None if undefined.get(metric) else rates[metric])
    # The same people many times over: the same rates, and no more work.
    cells_of_many = Cells(
        cells.columns,
        tuple(replace(cell, n=cell.n * times) for cell in cells.cells),
        None,
    )
    many: Any = measure(cells_of_many, BiasCriteria())["attributes"]["race"]["groups"]
    for name, group in found["race"]["groups"].items():
        for metric in METRICS:
            assert many[name][metric] == group[metric]


@pytest.mark.parametrize("attribute", ["race", "sex"])
def test_differences_equal_fairlearns_over_the_known_groups(
    rows: pd.DataFrame, measured: dict[str, Any], attribute: str
) -> None:
    known = rows[rows[attribute] != "unknown"]
    features = {"sensitive_features": known[attribute]}
    found = measured["attributes"][attribute]
    assert found["demographic_parity_difference"] == demographic_parity_difference(
        known.label, known.prediction, **features
    )
    assert found["equalized_odds_difference"] == equalized_odds_difference(
        known.label, known.prediction, **features
    )


def test_blank_groups_are_shown_as_unknown_and_judged_nowhere(measured: dict[str, Any]) -> None:
    sex = measured["attributes"]["sex"]
    assert sex["unknown"] == {"n": 15, "share": 15 / 1989}
    assert sex["groups"]["unknown"]["n"] == 15
    assert sex["groups"]["unknown"]["verdict"] is None
    assert sex["reference"] in {"Male", "Female"}
    assert measured["attributes"]["race × sex"]["groups"]["unknown"]["n"] == 15
    assert measured["attributes"]["race × sex"]["judged"] is False


def test_an_undefined_rate_is_null_and_so_is_its_difference() -> None:
    cells = Cells(
        ("race",),
        (
            Cell(("A",), 1, 1, 50),
            Cell(("A",), 0, 0, 50),
            Cell(("B",), 1, 0, 60),  # nobody with label 0, nobody selected
        ),
        None,
    )
    found: Any = measure(cells, BiasCriteria(attributes=("race",), intersections=()))
    group = found["attributes"]["race"]["groups"]["B"]
    assert (group["fpr"], group["ppv"]) == (None, None)
    assert (group["tpr"], group["selection_rate"], group["impact_ratio"]) == (0.0, 0.0, 0.0)
    assert found["attributes"]["race"]["equalized_odds_difference"] is None
    assert found["attributes"]["race"]["demographic_parity_difference"] == 0.5


def test_the_favourable_outcome_is_the_positive_class(predictions: Path) -> None:
    cells = count_cells(predictions, PredictionColumns(groups=("race",)))
    assert isinstance(cells, Cells)
    found: list[Any] = [
        measure(cells, BiasCriteria(attributes=("race",), intersections=(), favourable=outcome))
        for outcome in (1, 0)
    ]
    one, zero = (f["attributes"]["race"]["groups"]["Black"] for f in found)
    assert one["selected"] + zero["selected"] == one["n"] == zero["n"]
    assert (one["tp"], one["fp"], one["tn"], one["fn"]) == (
        zero["tn"], zero["fn"], zero["tp"], zero["fp"],
    )  # fmt: skip
    assert one["tpr"] == 1 - zero["fpr"]


def test_performance_equals_sklearns_on_the_rows(rows: pd.DataFrame, predictions: Path) -> None:
    cells = count_cells(predictions, PredictionColumns(groups=("race", "sex")))
    assert isinstance(cells, Cells)
    found: Any = performance(cells)
    assert found["n"] == 1989
    assert found["tp"] + found["fp"] + found["tn"] + found["fn"] == 1989
    assert found["accuracy"] == accuracy_score(rows.label, rows.prediction)
    assert found["balanced_accuracy"] == balanced_accuracy_score(rows.label, rows.prediction)


def test_balanced_accuracy_of_one_class_is_null() -> None:
    found = performance(Cells(("race",), (Cell(("A",), 1, 1, 5),), None))
    assert (found["accuracy"], found["balanced_accuracy"]) == (1.0, None)
