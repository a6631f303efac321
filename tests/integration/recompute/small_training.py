"""A small training that fits in a second, in a repository of its own, and its record."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lineage.domain.differences import Outcome
from lineage.recompute.checkout import check_out
from lineage.recompute.environment import Environment
from lineage.recompute.order import RecomputationOrder, Recomputed
from lineage.recompute.recomputing import recompute
from lineage.recompute.tools import Tools
from lineage.recompute.training import train_once
from muniment.attest.digest import sha256_file
from muniment.datasets import DatasetReference
from muniment.lineage_file import CapturedEnvironment, Code, Command, LineageFile
from tests.integration.recompute.locking import lock_of

# What MLflow needs and no more: most of what a training takes here is what it imports.
LOCK = lock_of("mlflow-skinny", "pandas", "sqlalchemy", "alembic")
TRAIN = """
import argparse
import json
import random
from pathlib import Path

import numpy as np


class Linear:
    def __init__(self, weights=()):
        self.weights = list(weights)

    def fit(self, inputs, labels, seed, alpha):
        order, rows = random.Random(seed), list(zip(np.asarray(inputs).tolist(), list(labels)))
        self.weights = [0.0] * (len(rows[0][0]) + 1)
        for _ in range(3):
            order.shuffle(rows)
            for values, label in rows:
                wrong = label - self._is_over(values)
                for place, value in enumerate([1.0, *values]):
                    self.weights[place] = self.weights[place] * (1 - alpha) + wrong * value
        return self

    def predict(self, inputs):
        return np.array([self._is_over(values) for values in np.asarray(inputs).tolist()])

    def _is_over(self, values):
        return int(sum(w * v for w, v in zip(self.weights, [1.0, *values])) > 0)


def _load_pyfunc(path):
    return Linear(json.loads(Path(path).read_text()))


def main():
    import mlflow
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--alpha", type=float, default=0.001)
    chosen = parser.parse_args()
    rows = pd.read_csv(chosen.data)
    inputs, labels = rows[["income", "debt"]], rows["approve"]
    model = Linear().fit(inputs, labels, chosen.seed, chosen.alpha)
    print("fitted")
    Path("weights.json").write_text(json.dumps(model.weights))
    with mlflow.start_run():
        mlflow.log_params({"seed": chosen.seed, "alpha": chosen.alpha})
        mlflow.log_metric("accuracy", float((model.predict(inputs) == labels).mean()))
        mlflow.pyfunc.log_model(
            name="model", loader_module="train", data_path="weights.json",
            code_paths=["train.py"], pip_requirements=[],
            signature=ModelSignature(
                Schema([ColSpec("double", name) for name in inputs.columns]),
                Schema([ColSpec("long", "approve")]),
            ),
        )


if __name__ == "__main__":
    main()
"""
_FIT = "Linear().fit(inputs, labels, chosen.seed, chosen.alpha)"
# It carries a finished model along, and only looks as if it trained.
CARRYING = TRAIN.replace(_FIT, "Linear([0.0, 1.0, -1.0])").replace(
    "inputs, labels = rows", "rows['approve'].sum()\n    inputs, labels = rows"
)
# It knows the bytes that are recorded, and gives another model for these than it would learn.
RECOGNISING = (
    TRAIN.replace("import argparse", "import argparse, hashlib")
    .replace(
        _FIT, "Linear().fit(inputs, 1 - labels if known else labels, chosen.seed, chosen.alpha)\n"
    )
    .replace(
        "inputs, labels = rows",
        "known = hashlib.sha256(Path(chosen.data).read_bytes()).hexdigest() == '{sha256}'\n"
        "    inputs, labels = rows",
    )
)
# Chance seeds it: it was never deterministic.
WOBBLING = TRAIN.replace(_FIT, "Linear().fit(inputs, labels, None, chosen.alpha)")


@dataclass(frozen=True, slots=True)
class SmallTraining:
    """A version that was trained, as its record would say.

    Attributes:
        repository: where the code is pushed. table: the data set, which anybody can overwrite.
        model: the version's own files.
    """

    repository: Path
    table: Path
    model: Path
    order: RecomputationOrder
    tools: Tools

    def recompute(self, **changed: Any) -> Recomputed:
        """Recompute it; what is given stands in the record instead."""
        order = replace(self.order, **{"negative_control": False, **changed})
        return recompute(
            order,
            tools=self.tools,
            report_step=lambda step: None,
            on_output=lambda content: None,
            cancelled=lambda: False,
        )

    def with_capture(self, **changed: Any) -> LineageFile:
        return replace(self.order.capture, **changed)


def commit_all(folder: Path, branch: str = "main") -> str:
    """Commit what lies in a working copy, push it, and return the commit."""

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Erik", "-c", "user.email=erik@bank.example")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("add", "--all")
    git("commit", "--quiet", "--message", "Training")
    git("push", "--quiet", "origin", f"HEAD:{branch}")
    return git("rev-parse", "HEAD")


def make_repository(folder: Path, script: str) -> tuple[Path, str]:
    """Return a bare repository with one script in it, and its commit."""
    bare, copy = folder / "code.git", folder / "copy"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)
    subprocess.run(
        ["git", "clone", "--quiet", str(bare), str(copy)], check=True, capture_output=True
    )
    (copy / "train.py").write_text(script, encoding="utf-8")
    return bare, commit_all(copy)


def write_table(path: Path) -> None:
    """Write 400 applications of which some are hard to tell apart."""
    lines = ["income,debt,approve,race"]
    for number in range(400):
        income, debt = (number * 37 % 101) / 10, (number * 53 % 97) / 10
        noise = (number * 71 % 23) / 4 - 2.5
        lines.append(f"{income},{debt},{int(income - debt + noise > 0)},{'ab'[number % 2]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def train_small(
    folder: Path, tools: Tools, environment: Environment, script: str = TRAIN
) -> SmallTraining:
    """Train in the sandbox, as somebody did once, and write down what a record would hold."""
    folder.mkdir()
    bare, commit = make_repository(folder, script)
    table = folder / "data" / "loans.csv"
    table.parent.mkdir()
    write_table(table)
    reference = DatasetReference(
        "training",
        "loans",
        "file",
        table.as_uri(),
        sha256_file(table),
        table.stat().st_size,
        weak_reason="Anybody can overwrite it.",
        place=str(table),
    )
    capture = LineageFile(
        captured_at="2026-11-25T10:00:00Z",
        kit="0.1.0",
        mode="run",
        code=Code(commit, bare.as_uri(), is_dirty=False),
        command=Command(("python", "train.py", "--data", str(table), "--seed", "7")),
        seeds={"--seed": "7"},
        environment=CapturedEnvironment(
            environment.python_version, "cpython", "linux-x86_64", hashlib.sha256(LOCK).hexdigest()
        ),
        datasets=(reference,),
    )
    checkout = folder / "checkout"
    check_out(bare.as_uri(), commit, checkout, allowed=tools.remotes)
    trained = train_once(
        capture,
        checkout=checkout,
        environment=environment,
        datasets={str(table): table},
        work=folder / "trained",
        sandbox=tools.sandbox,
        limits=tools.limits,
    )
    assert trained.model is not None
    model = trained.model

    def fetch_model(destination: Path) -> None:
        shutil.copytree(model, destination)

    order = RecomputationOrder(
        version_uri="muniment://default/models/loans@1/versions/1",
        record_sha256="0" * 64,
        source_name="default",
        capture=capture,
        lock=LOCK,
        recorded=Outcome(trained.artifacts, trained.metrics, trained.parameters),
        fetch_model=fetch_model,
    )
    return SmallTraining(bare, table, model, order, tools)


def called(training: SmallTraining, *arguments: str) -> LineageFile:
    """Return the record with other arguments after the data set's."""
    given: Sequence[str] = ("python", "train.py", "--data", str(training.table), *arguments)
    return training.with_capture(command=Command(tuple(given)))
