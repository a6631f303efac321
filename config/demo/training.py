"""The demo's training: a real git repository, real data, three real training runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from config.demo.errors import StepFailed
from config.embedded.environments import common_environment
from config.embedded.processes import BASE_DIR
from config.embedded.stack import EmbeddedStack

EXAMPLE: Final = BASE_DIR / "examples" / "boston_mortgage"
MODEL: Final = "boston-mortgage"
VARIANTS: Final = ("v1", "v2", "v3")


@dataclass(frozen=True, slots=True)
class Project:
    """Where the demo's training project stands.

    Attributes:
        checkout: the working copy that trains.
        remote: the bare repository that it is pushed to.
        dataset: the half of the data that it trains on, outside of the repository.
        held_out: the other half, where the training does not look: it is the admin's.
        environment: where what its ``uv.lock`` names is installed.
    """

    checkout: Path
    remote: Path
    dataset: Path
    held_out: Path
    environment: Path


def ensure_project(stack: EmbeddedStack) -> Project:
    """Copy the example into a git repository of its own, commit, push, and write both halves."""
    folder = stack.home.path / "demo"
    project = Project(
        checkout=folder / MODEL,
        remote=folder / f"{MODEL}.git",
        dataset=folder / "data" / "training.csv",
        held_out=folder / "held-out" / "applications.csv",
        environment=folder / "environment",
    )
    if not (project.checkout / ".git").is_dir():
        folder.mkdir(exist_ok=True)
        shutil.rmtree(project.checkout, ignore_errors=True)
        shutil.rmtree(project.remote, ignore_errors=True)
        shutil.copytree(
            EXAMPLE,
            project.checkout,
            ignore=shutil.ignore_patterns("__pycache__", "data", "held-out"),
        )
        # Compiled files would make the tree dirty, and a dirty tree is no evidence.
        (project.checkout / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
        _git("init", "--quiet", "--bare", str(project.remote), cwd=folder)
        _git("init", "--quiet", "--initial-branch", "main", cwd=project.checkout)
        _git("add", ".", cwd=project.checkout)
        _git("commit", "--quiet", "-m", "Loan approval classifier", cwd=project.checkout)
        _git("remote", "add", "origin", str(project.remote), cwd=project.checkout)
        _git("push", "--quiet", "origin", "main", cwd=project.checkout)
    if not (project.dataset.is_file() and project.held_out.is_file()):
        _run(
            [
                *(sys.executable, "prepare_data.py"),
                *("--training", str(project.dataset), "--held-out", str(project.held_out)),
            ],
            cwd=project.checkout,
            environment=common_environment(),
        )
    return project


def ensure_environment(project: Project) -> None:
    """Install what the project's ``uv.lock`` names; the cache of wheels has it already."""
    given = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
    _run(
        [find_uv_bin(), "sync", "--frozen", "--quiet", "--python", sys.executable],
        cwd=project.checkout,
        environment={
            **common_environment(),
            **given,
            "UV_PROJECT_ENVIRONMENT": str(project.environment),
            "UV_PYTHON_DOWNLOADS": "never",
        },
    )


def allow_places(stack: EmbeddedStack, project: Project) -> None:
    """Let Muniment open the demo's own data and code, and nothing else."""
    for kind, place in (("data", project.dataset.parent), ("code", project.remote)):
        stack.run_manage(
            *("places", "add", str(place), "--kind", kind, "--as", "admin"), role="web"
        )


def train(stack: EmbeddedStack, project: Project, variant: str) -> dict[str, object]:
    """Train one variant into the MLflow server; return what the script printed."""
    environment = {
        **common_environment(),
        "MLFLOW_TRACKING_URI": stack.addresses.mlflow_url,
        "GIT_PYTHON_REFRESH": "quiet",
    }
    written = _run(
        [
            *(sys.executable, "-m", "muniment", "run"),
            *("--data", f"training={project.dataset}", "--"),
            *(str(project.environment / "bin" / "python"), "train.py"),
            *("--variant", variant),
            *("--registered-model", MODEL),
            *("--data", str(project.dataset)),
        ],
        cwd=project.checkout,
        environment=environment,
    )
    printed = json.loads(written.strip().splitlines()[-1])
    if not isinstance(printed, dict):
        raise StepFailed(f"train.py printed no JSON object: {written[-400:]}")
    return printed


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, lower hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(*arguments: str, cwd: Path) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "Erik Engineer",
        "GIT_AUTHOR_EMAIL": "engineer@bank.example",
        "GIT_COMMITTER_NAME": "Erik Engineer",
        "GIT_COMMITTER_EMAIL": "engineer@bank.example",
        # Nothing of the machine's own git settings (hooks, signing, templates).
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    _run(["git", *arguments], cwd=cwd, environment={**common_environment(), **identity})


def _run(command: list[str], *, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StepFailed(f"{' '.join(command[:3])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout
