"""Training once in the sandbox: with a real MLflow, and by programs that would rather cheat."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from lineage.recompute.collecting import remove_folder
from lineage.recompute.environment import Environment
from lineage.recompute.limits import MIB, Limits
from lineage.recompute.sandbox import Sandbox
from lineage.recompute.training import Trained, train_once
from muniment.attest.digest import Digest
from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import Command, LineageFile

HERE = Environment(
    folder=Path(sys.prefix),
    python=Path(sys.executable),
    python_version=platform.python_version(),
    is_cached=True,
)
PROJECT = """
import argparse, os, mlflow, pandas as pd
from sklearn.linear_model import LogisticRegression
from mlflow.models import infer_signature

asked = argparse.ArgumentParser()
asked.add_argument("--data")
asked.add_argument("--strength", type=float, default=1.0)
asked = asked.parse_args()
table = pd.read_csv(asked.data)
for strength in (asked.strength, asked.strength / 2):
    with mlflow.start_run():
        features = table[["income", "debt"]]
        model = LogisticRegression(C=strength, random_state=7).fit(features, table["approved"])
        mlflow.log_params({"C": strength, "hash_seed": os.environ["PYTHONHASHSEED"]})
        mlflow.log_metrics({"accuracy": model.score(features, table["approved"])})
        mlflow.log_metric("undefined", float("nan"))
        mlflow.sklearn.log_model(
            model, name="model", pip_requirements=["scikit-learn"],
            signature=infer_signature(features, model.predict(features)),
            serialization_format="cloudpickle", registered_model_name="loans",
        )
print("trained", flush=True)
"""
TABLE = "income,debt,group,approved\n" + "".join(
    f"{number % 17},{number % 5},{'ab'[number % 2]},{int(number % 17 > 2 * (number % 5))}\n"
    for number in range(200)
)
# MLflow's tables as far as they are read, by a program that fills them as it likes.
FORGED = """
import json, os, sqlite3
database = sqlite3.connect(os.environ["MLFLOW_TRACKING_URI"][len("sqlite:///"):])
database.executescript('''
CREATE TABLE runs (run_uuid, artifact_uri, lifecycle_stage, start_time);
CREATE TABLE params (key, value, run_uuid);
CREATE TABLE latest_metrics (key, value, is_nan, run_uuid);
INSERT INTO runs VALUES ('r', '/work/out', 'active', 1);
''')
%s
database.commit()
"""


def reference(place: str = "", uri: str = "", role: str = "training") -> DatasetReference:
    return DatasetReference(
        role=role,
        name=place or uri,
        kind="file",
        uri=uri,
        digest=Digest.of_bytes(TABLE.encode()),
        size_bytes=len(TABLE),
        place=place,
    )


def capture(*arguments: str, **more: Any) -> LineageFile:
    members: dict[str, Any] = {"command": Command(arguments=arguments), **more}
    return LineageFile(captured_at="2026-11-25T08:00:00Z", kit="0.1.0", mode="run", **members)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox.find("bubblewrap")


@pytest.fixture(scope="module")
def new_work() -> Iterator[Callable[[], Path]]:
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(mkdtemp(prefix="muniment-train-")))
        return made[-1]

    yield make
    for folder in made:
        remove_folder(folder)


@pytest.fixture
def train(sandbox: Sandbox, new_work: Callable[[], Path], tmp_path: Path) -> Callable[..., Trained]:
    def train(
        program: str,
        captured: LineageFile | None = None,
        datasets: Mapping[str, Path] | None = None,
        **more: Any,
    ) -> Trained:
        code = tmp_path / "code"
        (code / "src").mkdir(parents=True, exist_ok=True)
        (code / "train.py").write_text(program)
        return train_once(
            captured or capture("python", "train.py"),
            checkout=code,
            environment=HERE,
            datasets=datasets or {},
            work=new_work(),
            sandbox=sandbox,
            **({"limits": Limits(memory_bytes=2048 * MIB, wall_seconds=120)} | more),
        )

    return train


def test_a_real_training_gives_its_run_and_its_model(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    table = tmp_path / "fetched.csv"
    table.write_text(TABLE)
    lines: list[bytes] = []
    trained = train(
        PROJECT,
        capture(
            command=Command(
                arguments=(
                    "/home/someone/.venv/bin/python3.11",
                    *("../train.py", "--data=s3://bucket/loans.csv"),
                ),
                folder="src",
            ),
            seeds={"PYTHONHASHSEED": "42"},
            datasets=(reference(uri="s3://bucket/loans.csv"),),
        ),
        {"s3://bucket/loans.csv": table},
        parameters={"C": "0.5"},
        on_output=lines.append,
    )
    assert trained.failure == ""
    # Of the two runs it is the one with the recorded parameters.
    assert trained.parameters == {"C": "0.5", "hash_seed": "42"}
    assert trained.metrics["undefined"] is None
    assert trained.metrics["accuracy"] == pytest.approx(1.0, abs=0.2)
    assert trained.model is not None
    assert {"MLmodel", "model.pkl", "requirements.txt"} <= set(trained.artifacts)
    for name, digest in trained.artifacts.items():
        assert Digest.of_bytes((trained.model / name).read_bytes()).hex == digest
    assert b"".join(lines).endswith(b"trained\n")
