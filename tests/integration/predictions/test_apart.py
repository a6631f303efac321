"""Files from outside are read by a process that has nothing to lose."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from audits.predictions.apart import count_apart
from audits.predictions.cells import Cells, PredictionColumns, PredictionsError
from audits.predictions.reading import count_cells

ROOT = Path(__file__).parents[3]
COLUMNS = PredictionColumns(groups=("race", "sex"))


@pytest.mark.parametrize(
    ("columns", "cutoff"),
    [
        (COLUMNS, None),
        (COLUMNS, "median"),
        (PredictionColumns(("race",), weight="score", person="sex"), None),
        (PredictionColumns(("religion",)), None),
    ],
)
def test_what_comes_back_is_what_was_counted(
    columns: PredictionColumns, cutoff: None, predictions: Path, applications: pd.DataFrame
) -> None:
    applications.fillna({"sex": "unknown"}).to_parquet(predictions)
    apart = count_apart(predictions, columns, cutoff=cutoff)
    assert apart == count_cells(predictions, columns, cutoff=cutoff)
    assert isinstance(apart, Cells | PredictionsError)


def test_a_file_that_takes_too_long_is_an_error(predictions: Path) -> None:
    found = count_apart(predictions, COLUMNS, wall_seconds=0.01)
    assert isinstance(found, PredictionsError)
    assert found.reason == "the file cannot be read: reading it took longer than 0.01 seconds"


def test_a_process_that_dies_is_an_error_of_the_file(predictions: Path) -> None:
    program = (
        "import sys; from audits.predictions.apart import count_apart; "
        "from audits.predictions.cells import PredictionColumns; "
        "print(count_apart(sys.argv[1], PredictionColumns(('race',))).reason)"
    )
    # Too little memory for the engine to be loaded at all.
    ended = subprocess.run(
        [
            *("/bin/sh", "-c", 'ulimit -v 100000; exec "$@"', "sh"),
            *(sys.executable, "-c", program, str(predictions)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "crashed or went over its limits" in ended.stdout


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{}",
        "7",
        "[" * 5_000,
        '{"reasons": [7]}',
        '{"cells": 7}',
        *(
            json.dumps(
                {
                    "columns": ["race"],
                    "cells": [row],
                    "bins": [],
                    "rows_digest": None,
                    "cutoff": None,
                    "repeated": None,
                }
            )
            for row in (
                [["A"], 2, 1, 9, None],
                [["A"], 1, 1, -9, None],
                [["A"], 1, 1, True, None],
                [["A"], 1, 1, 9, "heavy"],
                [["A", "B"], 1, 1, 9, None],
                [[7], 1, 1, 9, None],
                [["A"], 1, 1],
            )
        ),
    ],
)
def test_a_process_that_lies_about_its_form_is_not_believed(
    said: str, predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = tmp_path / "liar"
    (tmp_path / "said").write_text(said)
    liar.write_text(f"#!/bin/sh\n/bin/cat '{tmp_path}/said'\n")
    liar.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(liar))
    found = count_apart(predictions, COLUMNS)
    assert isinstance(found, PredictionsError)
    assert found.reason == "the file cannot be read: the process that read it gave no counts"


def test_the_process_knows_no_secret(
    predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    curious = tmp_path / "curious"
    curious.write_text(f"#!/bin/sh\n/usr/bin/env > '{tmp_path}/seen'\n")
    curious.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(curious))
    count_apart(predictions, COLUMNS)
    seen = {line.split("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert "DATABASE_URL" in os.environ
    assert seen <= {"HOME", "TMPDIR", "PWD", "SHLVL", "_", "OLDPWD"}


def test_the_process_has_limits_and_reaches_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = (
            "import socket, resource as r\n"
            "from audits.predictions.inside import _give_up; _give_up()\n"
            "print(r.getrlimit(r.RLIMIT_AS), r.getrlimit(r.RLIMIT_CORE))\n"
            f"try: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)\n"
            "except OSError: print('nobody answers')\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert ended.stdout.splitlines() == [f"({8 * 2**30}, {8 * 2**30}) (0, 0)", "nobody answers"]
