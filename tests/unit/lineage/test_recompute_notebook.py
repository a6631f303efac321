"""A committed notebook, run from top to bottom as the sandbox runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from lineage.recompute.inside import notebook


def _run(folder: Path, *cells: str) -> subprocess.CompletedProcess[str]:
    path = folder / "train.ipynb"
    path.write_text(
        json.dumps(
            {
                "cells": [
                    {"cell_type": "markdown", "source": ["# Training"]},
                    *(
                        {"cell_type": "code", "source": cell.splitlines(keepends=True)}
                        for cell in cells
                    ),
                ]
            }
        ),
        encoding="utf-8",
    )
    return subprocess.run(
        [sys.executable, notebook.__file__, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_cells_run_in_the_order_in_which_they_stand(tmp_path: Path) -> None:
    done = _run(tmp_path, "rate = 2\nprint('first')", "print(rate * 21)")
    assert (done.returncode, done.stdout) == (0, "first\n42\n")


def test_a_notebook_that_only_ran_in_another_order_fails_at_the_cell_named(tmp_path: Path) -> None:
    done = _run(tmp_path, "print(rate)", "rate = 2")
    assert done.returncode == 1
    assert "NameError" in done.stderr
    assert "Code cell 1 of 2 failed." in done.stderr


def test_what_a_later_cell_needs_is_not_run_after_a_failure(tmp_path: Path) -> None:
    done = _run(tmp_path, "1 / 0", "print('never')")
    assert "never" not in done.stdout
