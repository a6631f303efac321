"""`manage.py audit_bias`: any file, any option, always one JSON document."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate

ROOT = Path(__file__).parents[3]
COLUMNS = ("--y-true", "label", "--y-pred", "prediction", "--sensitive", "race")


def audit(path: Path | str, *options: str) -> tuple[dict[str, Any], int]:
    """Run the command; return its document and its exit status."""
    out, status = StringIO(), 0
    try:
        call_command("audit_bias", str(path), *options, "--json", stdout=out)
    except SystemExit as ended:
        status = int(str(ended.code))
    said: dict[str, Any] = json.loads(out.getvalue(), parse_constant=_refuse)
    assert {"attributes", "conclusion", "reasons"} <= said.keys()
    assert (status == 1) is (said["conclusion"] == "error")
    return said, status


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def failing(path: Path | str, *options: str) -> str:
    said, status = audit(path, *options)
    assert (said["conclusion"], status, said["attributes"]) == ("error", 1, {})
    return "; ".join(said["reasons"])


@pytest.fixture
def written(applications: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    applications.drop(columns="row_id").to_csv(path, index=False)
    return path


def test_it_is_the_audit_that_evidence_is_made_of(
    written: Path, applications: pd.DataFrame
) -> None:
    said, status = audit(written, *COLUMNS, "--sensitive", "sex")
    assert status == 0
    assert said["conclusion"] == "fail"
    assert said["standard"] == "screening"
    assert list(said["attributes"]) == ["race", "sex", "race × sex"]
    assert said["attributes"]["race × sex"]["judged"] is False
    frame = MetricFrame(
        metrics={"selection_rate": selection_rate, "tpr": true_positive_rate},
        y_true=applications.label,
        y_pred=applications.prediction,
        sensitive_features=applications.race,
    )
    groups = said["attributes"]["race"]["groups"]
    for name, found in groups.items():
        assert found["selection_rate"] == frame.by_group.selection_rate[name]
        assert found["tpr"] == frame.by_group.tpr[name]
        assert {"n", "share", "impact_ratio", "fpr", "fnr", "ppv", "accuracy"} <= found.keys()
    assert said["reasons"][0].startswith("race: Black 53.8% (106 of 197) against White 68.3%")


def test_people_get_a_table_and_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("label,prediction,race\n" + "1,1,A\n" * 40 + "1,0,B\x1b[31m\n" * 40)
    out = StringIO()
    call_command("audit_bias", str(path), *COLUMNS, stdout=out)
    said = out.getvalue()
    assert "\x1b" not in said
    assert "race: fail" in said
    assert "fail (screening)" in said
    assert "reference" in said


@pytest.mark.parametrize("criteria", ['{"standard": "demonstrated"}', "standard: demonstrated\n"])
def test_criteria_come_from_yaml_or_json(criteria: str, written: Path, tmp_path: Path) -> None:
    path = tmp_path / "criteria"
    path.write_text(criteria)
    said, _ = audit(written, *COLUMNS, "--sensitive", "sex", "--criteria", str(path))
    assert said["standard"] == "demonstrated"
    assert said["criteria"]["attributes"] == ["race", "sex"]


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        (b"standard: [", "expected YAML or JSON"),
        (b"\xff\xfe\xff", "expected YAML or JSON"),
        (b"[" * 3_000, "expected YAML or JSON"),
        (b"x: " + b"9" * 9_000, "expected YAML or JSON"),
        (b"x" * 40_000, "expected at most 32,768 bytes"),
        (b"- race", "expected a mapping"),
        (b"standard: lenient", "standard: expected one of"),
        (b"cutoff: .nan", "cutoff: expected a finite number"),
        (b"attributes: [sex]", "expected --sensitive sex too"),
        (b"impact_ratio: 2026-01-01", "impact_ratio: expected a number"),
        (b"1: 2", "unknown key"),
        (b"? [a, b]\n: 2", "expected YAML or JSON"),
    ],
)
def test_criteria_that_cannot_be_judged_by_are_an_error(
    criteria: bytes, reason: str, written: Path, tmp_path: Path
) -> None:
    path = tmp_path / "criteria.yaml"
    path.write_bytes(criteria)
    assert reason in failing(written, *COLUMNS, "--criteria", str(path))


def test_bad_input_is_an_error_in_the_same_shape(written: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    assert failing(empty, *COLUMNS) == "the file is empty"
    assert "cannot be read" in failing(tmp_path / "not-there.csv", *COLUMNS)
    assert failing(written, *COLUMNS, "--sensitive", "religion") == "column religion is missing"
    assert "each attribute once" in failing(written, *COLUMNS, "--sensitive", "race")
    assert "cannot be read" in failing(
        written, *COLUMNS, "--criteria", str(tmp_path / "not-there.yaml")
    )
    for rows, reason in (
        ("2,1,A\n1,0,B\n", "column label holds '2'; only 0 and 1 are known"),
        ("nan,1,A\n1,0,B\n", "column label is NaN in 1 of 2 rows"),
        (",1,A\n1,0,B\n", "column label is blank in 1 of 2 rows"),
    ):
        wrong = tmp_path / "wrong.csv"
        wrong.write_text(f"label,prediction,race\n{rows}")
        assert reason in failing(wrong, *COLUMNS)


def test_a_file_at_an_address_is_fetched(written: Path, tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(written.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        found, _ = audit(f"{address}/{written.name}", *COLUMNS)
        missing = failing(f"{address}/none.csv", *COLUMNS)
        server.shutdown()
    assert found == audit(written, *COLUMNS)[0]
    assert "the file cannot be read" in missing
    assert failing(f"file://{written}?x", *COLUMNS)
    assert failing("nowhere://x/y", *COLUMNS)


# ------------------------------------------------------------------------------ text labels


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (("yes", "no"), "yes"),
        ((1, 2), "1"),
        ((2.0, 1.0), "2"),
        ((True, False), "true"),
        (("True", "False"), "True"),
        (("+1", "-1"), "1"),
        (("0", "1"), "0"),
    ],
)
def test_two_labels_of_any_kind_count_as_one_and_zero(
    labels: tuple[object, object], positive: str, applications: pd.DataFrame, tmp_path: Path
) -> None:
    expected, _ = audit(_written(applications, tmp_path / "expected.parquet"), *COLUMNS)
    named = applications.assign(
        label=applications.label.map({1: labels[0], 0: labels[1]}),
        prediction=applications.prediction.map({1: labels[0], 0: labels[1]}),
    )
    found, _ = audit(_written(named, tmp_path / "named.parquet"), *COLUMNS, "--positive", positive)
    assert found == expected


def _written(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path)
    return path


def test_more_than_two_labels_or_a_positive_that_nobody_has_are_errors(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    words = applications.assign(
        label=applications.label.map({1: "good", 0: "bad"}),
        prediction=applications.prediction.map({1: "good", 0: "poor"}),
    )
    path = _written(words, tmp_path / "p.parquet")
    assert failing(path, *COLUMNS, "--positive", "excellent") == (
        "the label 'excellent' is nowhere in label and prediction"
    )
    assert "beside 'good' there are 'bad' and 'poor'" in failing(
        path, *COLUMNS, "--positive", "good"
    )
    assert "is nowhere" in failing(path, *COLUMNS, "--positive", "")
    assert "only 0 and 1 are known" in failing(path, *COLUMNS)


# ------------------------------------------------------------------------------ scores and weights


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_cut_at_the_median_of_everybody(seed: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(seed)
    n = int(chance.integers(2, 700))
    spread = [
        chance.random(n),
        chance.integers(0, 4, n) / 4,
        10.0 ** chance.integers(-300, 8, n),
        -chance.exponential(1e-3, n),
    ][seed % 4]
    frame = pd.DataFrame(
        {
            "label": chance.integers(0, 2, n),
            "prediction": spread,
            "race": chance.choice(["A", "B", None], n),
        }
    )
    said, _ = audit(_written(frame, tmp_path / "p.parquet"), *COLUMNS, "--score")
    assert said["cutoff"] == "median"
    assert said["cutoff_score"] == np.median(spread)
    assert said["ties"] == (spread == np.median(spread)).sum()
    groups = said["attributes"]["race"]["groups"]
    for name, found in groups.items():
        here = spread[(frame.race.fillna("unknown") == name).to_numpy()]
        assert found["selected"] == (here > np.median(spread)).sum()


def test_the_median_of_many_scores_is_exact_too(tmp_path: Path) -> None:
    # More than are sorted at once, most of them within one bin of the first pass.
    chance = np.random.default_rng(5)
    scores = np.concatenate([1e-7 * chance.random(300_000), [1e8, -1e8]])
    frame = pd.DataFrame({"label": 1, "prediction": scores, "race": "A"})
    said, _ = audit(_written(frame, tmp_path / "p.parquet"), *COLUMNS, "--score")
    assert said["cutoff_score"] == np.median(scores)
    assert (
        said["attributes"]["race"]["groups"]["A"]["selected"] == (scores > np.median(scores)).sum()
    )


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_whoever_has_the_cutoff_reaches_it(kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "label": [1, 0, 1, 0],
            "prediction": np.array([0.7, 0.69, 0.8, 0.7], dtype=kind),
            "race": ["A", "A", "B", "B"],
        }
    )
    path = tmp_path / "criteria.yaml"
    path.write_text("cutoff: 0.7")
    said, _ = audit(_written(frame, tmp_path / "p.parquet"), *COLUMNS, "--criteria", str(path))
    groups = said["attributes"]["race"]["groups"]
    assert [groups[name]["selected"] for name in "AB"] == [1, 2]
    assert (said["cutoff"], said["ties"]) == ("0.7", 0)


def test_calibration_is_shown_in_tenths(written: Path, applications: pd.DataFrame) -> None:
    said, _ = audit(written, *COLUMNS[:3], "score", *COLUMNS[4:], "--score")
    black = applications[applications.race == "Black"]
    curve = said["attributes"]["race"]["groups"]["Black"]["calibration"]
    assert sum(n for _, n, _, _ in curve) == len(black)
    for begin, n, mean, share in curve:
        here = black[(np.floor(black.score * 10) / 10).round(1) == begin]
        assert n == len(here)
        assert mean == pytest.approx(here.score.mean(), abs=1e-6)
        assert share == pytest.approx(here.label.mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (["0.5", "high", "0.1"], "column prediction is no number in 1 of 3 rows"),
        ([0.5, float("inf"), 0.1], "column prediction is beyond 1,000,000,000 in 1 of 3 rows"),
        ([0.5, None, 0.1], "column prediction is blank in 1 of 3 rows"),
        (["0.5", "nan", "0.1"], "column prediction is NaN in 1 of 3 rows"),
        ([[0.5], [0.5], [0.1]], "values, not scores"),
    ],
)
def test_scores_that_are_none_are_an_error(
    scores: list[object], reason: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"label": [1, 0, 1], "prediction": scores, "race": ["A", "B", "A"]})
    assert reason in failing(_written(frame, tmp_path / "p.parquet"), *COLUMNS, "--score")


def test_weighted_rates_are_fairlearns_and_conclude_nothing(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    weighted = applications.assign(weight=1 + applications.row_id % 7 / 3)
    path = _written(weighted, tmp_path / "p.parquet")
    said, _ = audit(path, *COLUMNS, "--weight", "weight")
    assert said == audit(path, *COLUMNS, "--weight", "weight")[0]
    assert said["conclusion"] == "insufficient"
    assert "no interval that fits the sample's design" in said["reasons"][0]
    frame = MetricFrame(
        metrics={"selection_rate": selection_rate, "tpr": true_positive_rate},
        y_true=weighted.label,
        y_pred=weighted.prediction,
        sensitive_features=weighted.race,
        sample_params={
            name: {"sample_weight": weighted.weight} for name in ("selection_rate", "tpr")
        },
    )
    race = said["attributes"]["race"]
    assert race["reference"] == "White"
    for name, found in race["groups"].items():
        assert found["selection_rate"] == pytest.approx(frame.by_group.selection_rate[name])
        assert found["tpr"] == pytest.approx(frame.by_group.tpr[name])
        assert (found["rate_low"], found["ratio_low"], found["p_holm"]) == (None, None, None)
        assert found["n"] == (weighted.race == name).sum()
    for wrong, reason in ((0, "not above 0"), (-1, "not above 0"), (np.nan, "is blank")):
        bad = _written(weighted.assign(weight=wrong), tmp_path / "bad.parquet")
        assert reason in failing(bad, *COLUMNS, "--weight", "weight")


def test_further_rows_of_one_person_conclude_nothing(
    applications: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "criteria.yaml"
    path.write_text("person: who")
    criteria = ("--criteria", str(path))
    alone = _written(applications.assign(who=applications.row_id), tmp_path / "alone.parquet")
    said, _ = audit(alone, *COLUMNS, *criteria)
    assert (said["conclusion"], said["repeated"]) == ("fail", 0)
    twice = _written(applications.assign(who=applications.row_id // 2), tmp_path / "p.parquet")
    said, _ = audit(twice, *COLUMNS, *criteria)
    assert said["repeated"] == 994
    assert any("further rows of the same people" in reason for reason in said["reasons"])
    nobody = _written(applications.assign(who=""), tmp_path / "nobody.parquet")
    assert "column who is blank" in failing(nobody, *COLUMNS, *criteria)


# ------------------------------------------------------------------------------ hostile files


def test_no_damage_to_a_file_makes_it_anything_but_an_error(
    written: Path, predictions: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    damaged = tmp_path / "damaged"
    for original in (written.read_bytes()[:3_000], predictions.read_bytes()):
        for _ in range(8):
            content = bytearray(original)
            for _ in range(chance.randrange(1, 30)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            damaged.write_bytes(
                content[: chance.randrange(len(content))] if chance.random() < 0.4 else content
            )
            audit(damaged, *COLUMNS, *chance.choice([(), ("--score",), ("--positive", "1")]))
    for _ in range(8):
        damaged.write_bytes(chance.randbytes(chance.randrange(400)))
        failing(damaged, *COLUMNS)


def test_from_a_shell_that_knows_no_instance(tmp_path: Path) -> None:
    found = subprocess.run(
        [
            *(sys.executable, str(ROOT / "manage.py"), "audit_bias", str(tmp_path / "none.csv")),
            *(*COLUMNS, "--json"),
        ],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert json.loads(found.stdout)["conclusion"] == "error"
    assert "Traceback" not in found.stderr
