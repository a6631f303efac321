"""Real projects in real git repositories, recorded into a real MLflow server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from muniment.lineage_file import LINEAGE_PATH, LineageFile, parse_lineage_file

# A training that is quick because it needs no MLflow: what any client does, over REST.
QUICK = """\
import json, os, sys, urllib.request

def call(route, body):
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/" + route,
        json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request).read())

context = json.loads(os.environ.get("MLFLOW_RUN_CONTEXT", "{}"))
run = call("runs/create", {
    "experiment_id": "0", "start_time": 1795445659328,
    "tags": [{"key": key, "value": value} for key, value in context.items()]})["run"]
run_id = run["info"]["run_id"]
call("runs/log-batch", {"run_id": run_id, "params": [{"key": "C", "value": "1.0"}]})
place = run["info"]["artifact_uri"].replace("mlflow-artifacts:/", "")
urllib.request.urlopen(urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow-artifacts/artifacts/" + place
    + "/metrics.txt", b"0.9", method="PUT"))
print(run_id)
"""
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Trainer",
    "GIT_AUTHOR_EMAIL": "trainer@bank.example",
    "GIT_COMMITTER_NAME": "Trainer",
    "GIT_COMMITTER_EMAIL": "trainer@bank.example",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a recorded command ended."""

    status: int
    output: str
    said: str

    @property
    def run_id(self) -> str:
        return self.output.split()[-1]


@dataclass(frozen=True, slots=True)
class Project:
    """A working copy, and what surrounds the commands that are run in it."""

    folder: Path
    mlflow_url: str
    environment: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**os.environ, **GIT},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def commit(self, *, push: bool = True) -> str:
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "-m", "Train")
        if push:
            self.git("push", "--quiet", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """Return ``muniment run …`` and its environment."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **GIT,
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **self.environment,
        }
        return [sys.executable, "-m", "muniment", "run", *arguments], environment

    def run(self, *arguments: str) -> Ended:
        command, environment = self.command(*arguments)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def tags(self, run_id: str) -> dict[str, str]:
        run = self._get("runs/get", run_id=run_id)["run"]
        return {one["key"]: one["value"] for one in run["data"].get("tags", ())}

    def artifact(self, run_id: str, name: str) -> bytes:
        place = self._get("runs/get", run_id=run_id)["run"]["info"]["artifact_uri"]
        path = place.removeprefix("mlflow-artifacts:/")
        answer = httpx.get(
            f"{self.mlflow_url}/api/2.0/mlflow-artifacts/artifacts/{path}/{name}", timeout=30
        )
        assert answer.status_code == 200, answer.text
        return answer.content

    def lineage(self, run_id: str) -> LineageFile:
        return parse_lineage_file(self.artifact(run_id, LINEAGE_PATH))

    def _get(self, route: str, **query: str) -> Mapping[str, Any]:
        answer = httpx.get(f"{self.mlflow_url}/api/2.0/mlflow/{route}", params=query, timeout=30)
        assert answer.status_code == 200, answer.text
        found: Mapping[str, Any] = json.loads(answer.text)
        return found


@pytest.fixture
def new_project(tmp_path: Path, mlflow_server: str) -> Callable[..., Project]:
    """Make a project with a script, committed and pushed."""

    def make(script: str = QUICK) -> Project:
        project = Project(tmp_path / "loans", mlflow_server)
        project.folder.mkdir()
        project.write(train__py=script)
        project.git("init", "--quiet", "--initial-branch", "main")
        project.git("init", "--quiet", "--bare", str(tmp_path / "loans.git"))
        project.git("remote", "add", "origin", str(tmp_path / "loans.git"))
        project.commit()
        return project

    return make


@pytest.fixture
def project(new_project: Callable[..., Project]) -> Project:
    return new_project()


@pytest.fixture
def without_git(tmp_path: Path) -> str:
    """A PATH on which there is no git, but everything that Python needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "env"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)
