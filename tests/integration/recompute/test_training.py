"""Training once in the sandbox: a real one with MLflow, and how a program is called there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lineage.recompute.errors import RecomputationCancelled, RecomputeError
from lineage.recompute.limits import MIB, Limits
from lineage.recompute.training import Trained
from muniment.attest.digest import Digest
from muniment.lineage_file import Code, Command
from tests.integration.recompute.trainings import FORGED, HERE, TABLE, capture, reference

PROJECT = """
import argparse, os, mlflow, pandas as pd
from sklearn.linear_model import LogisticRegression
from mlflow.models import infer_signature

asked = argparse.ArgumentParser()
asked.add_argument("--data")
asked.add_argument("--strength", type=float, default=1.0)
asked = asked.parse_args()
table = pd.read_csv(asked.data)
with mlflow.start_run():
    features = table[["income", "debt"]]
    model = LogisticRegression(C=asked.strength, random_state=7).fit(features, table["approved"])
    mlflow.log_params({"C": asked.strength, "hash_seed": os.environ["PYTHONHASHSEED"]})
    mlflow.log_metrics({"accuracy": model.score(features, table["approved"])})
    mlflow.log_metric("undefined", float("nan"))
    mlflow.sklearn.log_model(
        model, name="model", pip_requirements=["scikit-learn"],
        signature=infer_signature(features, model.predict(features)),
        serialization_format="cloudpickle", registered_model_name="loans",
    )
print("trained", flush=True)
"""


def test_a_real_training_gives_its_run_and_its_model(
    train: Callable[..., Trained], table: Path
) -> None:
    lines: list[bytes] = []
    command = Command(
        arguments=("/home/someone/.venv/bin/python3.11", "../train.py", "--data=s3://b/loans.csv"),
        folder="src",
    )
    trained = train(
        PROJECT,
        capture(command=command, seeds={"PYTHONHASHSEED": "42"}),
        [(reference(uri="s3://b/loans.csv"), table)],
        on_output=lines.append,
    )
    assert trained.parameters == {"C": "1.0", "hash_seed": "42"}
    assert trained.metrics["undefined"] is None
    assert trained.metrics["accuracy"] == pytest.approx(1.0, abs=0.2)
    assert trained.model is not None
    assert {"MLmodel", "model.pkl", "requirements.txt"} <= set(trained.artifacts)
    for name, digest in trained.artifacts.items():
        assert Digest.of_bytes((trained.model / name).read_bytes()).hex == digest
    assert b"".join(lines).endswith(b"trained\n")
    # What the program could write in is gone.
    assert [path.name for path in trained.model.parent.iterdir()] == ["model"]


def test_a_program_finds_its_data_where_it_was_and_cannot_change_it(
    train: Callable[..., Trained], table: Path
) -> None:
    folder = table.with_name("folder")
    folder.mkdir()
    (folder / "part.csv").write_text(TABLE)
    for path in (table, folder / "part.csv"):
        path.chmod(0o666)  # it is not its mode that keeps it as it is
    given = [
        (reference("data/loans.csv"), table),
        (reference("/srv/data/loans.csv", "file:///srv/data/loans.csv"), table),
        (reference("data/parts", role="evaluation"), folder),
        (reference("/etc/passwd"), table),
        (reference(uri="s3://b/loans.csv"), table),
        (reference("data/loans.csv", role="evaluation"), table),
    ]
    seen = train(
        FORGED
        % """
import sys
names = ["data/loans.csv", "/srv/data/loans.csv", "data/parts/part.csv", *sys.argv[1:]]
def attempt(name):
    try:
        open(name, "a").write("x")
    except OSError as error:
        return error.strerror
for name in names:
    note(name, attempt(name))
    assert open(name).read().startswith("income,debt")
note("datasets", os.environ["MUNIMENT_DATASETS"])
assert open("/etc/passwd").read().startswith("muniment:")
""",
        capture("python", "train.py", "/etc/passwd", "s3://b/loans.csv"),
        given,
    ).parameters
    datasets = json.loads(seen.pop("datasets"))
    assert datasets == {
        "data/loans.csv": "/job/code/data/loans.csv",
        "/srv/data/loans.csv": "/srv/data/loans.csv",
        "file:///srv/data/loans.csv": "/srv/data/loans.csv",
        "data/parts": "/job/code/data/parts",
        "/etc/passwd": "/job/data/3/passwd",
        "s3://b/loans.csv": "/job/data/4/loans.csv",
    }
    assert set(seen.values()) == {"Read-only file system"}
    assert len(seen) == 5
    assert table.read_text() == TABLE


def test_a_link_in_the_code_does_not_move_a_data_set_elsewhere(
    train: Callable[..., Trained], table: Path
) -> None:
    (table.parent / "code").mkdir()
    (table.parent / "code/data").symlink_to(table.parent)
    with pytest.raises(RecomputeError, match="leads over a link") as caught:
        train("", None, [(reference("data/new/loans.csv"), table)])
    assert (caught.value.code, caught.value.leg) == ("data.place", "data")
    assert not (table.parent / "new").exists()


def test_the_program_has_the_recorded_variables_and_ours_and_no_others(
    train: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUNIMENT_SECRET", "from the worker")
    command = Command(
        arguments=("python", "train.py"),
        environment={
            "OMP_NUM_THREADS": "3",
            "TZ": "Europe/Vienna",
            "not a name": "x",
            "PATH": "/nowhere",
            "MLFLOW_TRACKING_URI": "https://mlflow.example.org",
        },
        import_roots=("src", "../outside", "/etc"),
    )
    program = """
for name, value in os.environ.items():
    note(name, value)
"""
    seen = train(FORGED % program, capture(command=command)).parameters
    assert (seen["OMP_NUM_THREADS"], seen["MKL_NUM_THREADS"]) == ("3", "1")
    assert (seen["TZ"], seen["PYTHONHASHSEED"]) == ("Europe/Vienna", "0")
    assert seen["MLFLOW_TRACKING_URI"] == "sqlite:////job/mlflow/mlflow.db"
    assert seen["PYTHONPATH"] == "/job/code/src"
    assert seen["PATH"].startswith(f"{HERE.python.parent}:")
    assert not {"MUNIMENT_SECRET", "not a name", "DJANGO_SETTINGS_MODULE"} & set(seen)


def test_a_notebook_is_run_from_top_to_bottom(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    cells = [
        "value = 41",
        "value += 1",
        FORGED % "database.execute(\"INSERT INTO params VALUES ('value', ?, 'r')\", (value,))",
    ]
    (tmp_path / "code").mkdir()
    (tmp_path / "code/book.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": source} for source in cells]})
    )
    captured = capture("python", "-m", "ipykernel_launcher", code=Code(notebook="book.ipynb"))
    assert train("", captured).parameters == {"value": "42"}


@pytest.mark.parametrize(
    ("program", "limits", "code", "said"),
    [
        ("print('one'); raise SystemExit('no such column')", {}, "failed", "no such column"),
        ("import nowhere", {}, "failed", "No module named 'nowhere'"),
        ("import time; time.sleep(60)", {"wall_seconds": 0.5}, "out_of_time", "0.5 seconds"),
        ("x = bytearray(b'1' * 10**9)", {"memory_bytes": 200 * MIB}, "out_of_memory", "200 MiB"),
        (FORGED % "database.execute('DELETE FROM runs')", {}, "no_run", "recorded no run"),
    ],
)  # fmt: skip
def test_a_training_that_comes_to_nothing_says_why(
    program: str, limits: dict[str, Any], code: str, said: str, train: Callable[..., Trained]
) -> None:
    with pytest.raises(RecomputeError, match=said) as caught:
        train(program, limits=Limits(**({"wall_seconds": 30} | limits)))
    assert caught.value.code == f"training.{code}"


def test_a_command_that_cannot_be_called_is_named(train: Callable[..., Trained]) -> None:
    for captured, said in (
        (capture("bash", "-c", "id"), "starts with 'bash'"),
        (capture("/usr/bin/make", "train"), "starts with '/usr/bin/make'"),
        (capture(), "does not say by which command"),
        (capture(command=Command(("python", "x.py"), folder="gone")), "no folder 'gone'"),
        (capture(command=Command(("python", "x.py"), folder="../..")), "no folder"),
    ):
        with pytest.raises(RecomputeError, match=said) as caught:
            train("", captured)
        assert caught.value.leg == "code"


def test_a_training_that_is_cancelled_is_no_verdict(train: Callable[..., Trained]) -> None:
    with pytest.raises(RecomputationCancelled):
        train("import time; time.sleep(60)", cancelled=lambda: True)


def test_of_several_runs_the_one_with_the_recorded_parameters_is_meant(
    train: Callable[..., Trained],
) -> None:
    program = (
        FORGED
        % """
for run, depth in (("r", 3), ("s", 5), ("t", 7)):
    database.execute("INSERT INTO runs SELECT ?, ?, 'active', ?", (run, "/job/" + run, depth))
    note("depth", str(depth), run)
    note("seed", "1", run)
    os.makedirs("/job/" + run + "/model")
    open("/job/" + run + "/model/MLmodel", "w").write(str(depth))
"""
    )
    trained = train(program.replace("INSERT INTO runs VALUES", "-- "), parameters={"depth": "5"})
    assert trained.parameters == {"depth": "5", "seed": "1"}
    assert trained.model is not None
    assert (trained.model / "MLmodel").read_text() == "5"


def test_what_only_its_owner_may_read_can_be_trained_on(
    train: Callable[..., Trained], table: Path
) -> None:
    table.chmod(0o600)
    program = FORGED % "note('rows', str(len(open('loans.csv').readlines())))"
    trained = train(program, None, [(reference("loans.csv"), table)])
    assert trained.parameters == {"rows": "201"}
