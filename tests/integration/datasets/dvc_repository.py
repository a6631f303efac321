"""A git repository whose data the real DVC tracks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PIPELINE = """
stages:
  prepare:
    wdir: prepared
    cmd: cp ../data/loans.csv clean.csv
    deps: [../data/loans.csv]
    outs: [clean.csv]
"""
SOMEBODY = {
    f"GIT_{who}_{what}": "somebody@bank.example"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}


def run(folder: Path, *command: str) -> str:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder.parent),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        **SOMEBODY,
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def make_repository(folder: Path) -> None:
    """Make a repository, `loans`, with data that DVC tracks, and its remote, `store`."""
    repository = folder / "loans"
    (repository / "data" / "images" / "deep").mkdir(parents=True)
    (repository / "prepared").mkdir()
    (repository / "data" / "loans.csv").write_bytes(b"loan,state\r\n1,MA\r\n")
    for name in ("a.png", "b ü.png", "deep/c.png", "deep/d.png"):
        (repository / "data" / "images" / name).write_text(f"content of {name[-5:]}")
    (repository / "train.py").write_text("print('trained')\n")
    (repository / "dvc.yaml").write_text(PIPELINE)
    run(repository, "git", "init", "-q", "-b", "main")
    run(repository, "dvc", "init", "-q")
    (repository / ".dvc" / "config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
    )
    run(repository, "dvc", "add", "-q", "data/images", "data/loans.csv")
    run(repository, "dvc", "repro", "-q")
    run(repository, "dvc", "push", "-q")
    run(repository, "git", "add", ".")
    run(repository, "git", "commit", "-q", "-m", "Loans")
