"""What the example's script says about its code, from real git repositories."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "boston_mortgage"
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Trainer",
    "GIT_AUTHOR_EMAIL": "trainer@bank.example",
    "GIT_COMMITTER_NAME": "Trainer",
    "GIT_COMMITTER_EMAIL": "trainer@bank.example",
}


@pytest.fixture(scope="module")
def train() -> Iterator[ModuleType]:
    sys.path.insert(0, str(EXAMPLE))
    try:
        yield importlib.import_module("train")
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in ("fitting", "train"):
            sys.modules.pop(name, None)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **GIT},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "train.py").write_text("pass\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Train")
    return tmp_path


def test_clean_commit_with_a_remote_is_said_in_full(train: ModuleType, repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://git.example.org/loans.git")
    assert train.git_tags(repository) == {
        "mlflow.source.git.commit": git(repository, "rev-parse", "HEAD"),
        "mlflow.source.git.repoURL": "https://git.example.org/loans.git",
        "muniment.git.dirty": "false",
    }


@pytest.mark.parametrize("name", ["train.py", "new.py"])
def test_changed_or_new_file_is_dirty(name: str, train: ModuleType, repository: Path) -> None:
    (repository / name).write_text("changed\n")
    assert train.git_tags(repository)["muniment.git.dirty"] == "true"


def test_remote_that_is_not_there_is_not_made_up(train: ModuleType, repository: Path) -> None:
    assert "mlflow.source.git.repoURL" not in train.git_tags(repository)


def test_folder_without_commit_says_nothing(train: ModuleType, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert train.git_tags(tmp_path) == {}


def test_missing_data_set_is_answered_with_the_way_to_make_it(tmp_path: Path) -> None:
    path = tmp_path / "loanapp.csv"
    done = subprocess.run(
        [sys.executable, "train.py", "--variant", "v1", "--data", str(path)],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"python prepare_data.py --output {path}" in done.stderr
    assert "Traceback" not in done.stderr
