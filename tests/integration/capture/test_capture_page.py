"""docs/capture.md does what it says."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from muniment.capture.command import ALLOWED_VARIABLES
from muniment.capture.running import REFUSED
from muniment.capture.supervising import CANNOT_RUN, NOT_FOUND
from muniment.cli import _parser
from tests.integration.capture.conftest import QUICK, Project
from tests.unit.docs.pages import DOCS, fenced, read, table_rows

PAGE = read(DOCS / "capture.md")


def test_the_command_on_the_page_records_a_run(new_project: Callable[..., Project]) -> None:
    project = new_project(QUICK)
    (project.folder / "data").mkdir()
    (project.folder / "data" / "loanapp.csv").write_text("a\n1\n")
    project.commit()
    [line] = [line for line in fenced(PAGE, "console")[0].splitlines() if "muniment run" in line]
    assert line.startswith("$ muniment run ")
    project.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = project.run(*shlex.split(line)[3:])
    assert ended.status == 0, ended.said
    file = project.lineage(ended.run_id)
    assert file.seeds["seed"] == "7"
    assert [(one.role, one.name) for one in file.datasets] == [("training", "loanapp.csv")]


def test_the_program_on_the_page_records_itself(new_project: Callable[..., Project]) -> None:
    [snippet] = fenced(PAGE, "python")
    project = new_project(snippet)
    (project.folder / "data").mkdir()
    (project.folder / "data" / "loanapp.csv").write_text("a\n1\n")
    project.commit()
    _, environment = project.command()
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=project.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not recorded" not in done.stderr
    run_id = done.stdout.rpartition("/runs/")[2].split()[0]
    file = project.lineage(run_id)
    assert (file.mode, file.seeds) == ("script", {"numpy": "7"})
    assert [one.place for one in file.datasets] == ["data/loanapp.csv"]


def test_every_option_and_status_is_explained() -> None:
    rows = {row[0] for row in table_rows(PAGE)}
    assert {f"{REFUSED}", f"{CANNOT_RUN}, {NOT_FOUND}"} <= rows
    [commands] = [
        action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)
    ]
    options = [
        action.option_strings[-1]
        for action in commands.choices["run"]._actions
        if action.option_strings and "--help" not in action.option_strings
    ]
    assert [one for one in options if not any(f"`{one}" in row for row in rows)] == []
    assert "PYTHONHASHSEED" in ALLOWED_VARIABLES
