"""A real MLflow server with real training in it, and a server that misbehaves on purpose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineage.mlflow import MlflowClient, Patience
from tests.integration.lineage.scripted import ScriptedServer
from tests.integration.lineage.trainer import Trainer

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "boston_mortgage"
HURRIED = Patience(
    attempts=3,
    first_wait_seconds=0.01,
    longest_wait_seconds=0.05,
    connect_timeout_seconds=2.0,
    read_timeout_seconds=2.0,
    answer_seconds=2.0,
)


@pytest.fixture
def client(mlflow_server: str) -> MlflowClient:
    return MlflowClient(mlflow_server)


@pytest.fixture
def trainer(mlflow_server: str) -> Iterator[Trainer]:
    with Trainer(mlflow_server) as found:
        yield found


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def hurried(scripted: ScriptedServer) -> MlflowClient:
    """A client of the scripted server that does not wait long."""
    return MlflowClient(scripted.url, patience=HURRIED)


@pytest.fixture(scope="session")
def trained(
    mlflow_server: str, example_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What `train.py` printed after `muniment run` really trained the example with it.

    Out of a clean git repository, in the example's own environment.
    """
    folder = tmp_path_factory.mktemp("example")
    checkout, remote = folder / "loans", folder / "loans.git"
    shutil.copytree(EXAMPLE, checkout, ignore=shutil.ignore_patterns("__pycache__", "data"))
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Trainer",
        "GIT_AUTHOR_EMAIL": "trainer@bank.example",
        "GIT_COMMITTER_NAME": "Trainer",
        "GIT_COMMITTER_EMAIL": "trainer@bank.example",
        "MLFLOW_TRACKING_URI": mlflow_server,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }

    def do(*command: str) -> str:
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    do("git", "init", "--quiet", "--bare", str(remote))
    do("git", "init", "--quiet", "--initial-branch", "main")
    (checkout / ".gitignore").write_text("__pycache__/\n")
    do("git", "add", ".")
    do("git", "commit", "--quiet", "-m", "Loans")
    do("git", "remote", "add", "origin", str(remote))
    do("git", "push", "--quiet", "origin", "main")
    data = folder / "data" / "training.csv"
    held_out = folder / "held-out" / "applications.csv"
    do(sys.executable, "prepare_data.py", "--training", str(data), "--held-out", str(held_out))
    printed: dict[str, str] = json.loads(
        do(
            *(sys.executable, "-m", "muniment", "run", "--data", f"training={data}", "--"),
            *(str(example_python), "train.py", "--variant", "v2"),
            *("--registered-model", "trained-loans", "--data", str(data)),
        )
    )
    return {
        **printed,
        "commit": do("git", "rev-parse", "HEAD").strip(),
        "remote": str(remote),
        "data": str(data),
    }
