"""Counting a file from outside in a process of its own, which knows nothing and may use little.

Reading a file runs a large engine over bytes that anybody may have written. It runs in a child with
an empty environment (no address and no password of anything), no network where the kernel lets a
process give it up, and limits on memory, processor time, files and what it writes; a crash of it is
an error of the file. Only counted cells come back, and they are checked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Literal

from audits.predictions.cells import (
    Cell,
    Cells,
    Cutoff,
    PredictionColumns,
    PredictionsError,
    ScoreBin,
)

WALL_SECONDS = 900
_MOST_BYTES = 64 * 2**20
_ROOT = Path(__file__).parents[2]
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from audits.predictions.inside import main; main()"
)


def count_apart(
    path: str | os.PathLike[str],
    columns: PredictionColumns,
    *,
    cutoff: Fraction | Literal["median"] | None = None,
    wall_seconds: float = WALL_SECONDS,
) -> Cells | PredictionsError:
    """Count a file as `count_cells` does, in a process of its own.

    Returns:
        What `count_cells` returns there; `PredictionsError` too where the process did not end
        well: it crashed, was over a limit or took longer than `wall_seconds`.
    """
    order = {
        "path": str(Path(path).absolute()),
        "columns": asdict(columns),
        "cutoff": None if cutoff is None else str(cutoff),
    }
    with tempfile.TemporaryDirectory(prefix="muniment-count-") as folder:
        output = Path(folder, "cells.json")
        with output.open("wb") as written:
            try:
                ended = subprocess.run(
                    [sys.executable, "-I", "-c", _PROGRAM, str(_ROOT)],
                    input=json.dumps(order).encode(),
                    stdout=written,
                    stderr=subprocess.DEVNULL,
                    env={"HOME": folder, "TMPDIR": folder},
                    cwd=folder,
                    timeout=wall_seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return _unread(f"reading it took longer than {wall_seconds:g} seconds")
        if ended.returncode != 0:
            return _unread("the process that read it crashed or went over its limits")
        if output.stat().st_size > _MOST_BYTES:
            return _unread("it has too many groups")
        try:
            return _found(json.loads(output.read_bytes()))
        except (ValueError, TypeError, KeyError, RecursionError):
            return _unread("the process that read it gave no counts")


def _unread(why: str) -> PredictionsError:
    return PredictionsError((f"the file cannot be read: {why}",))


def _found(said: dict[str, object]) -> Cells | PredictionsError:
    """Read the counts back, each of the type and range that it must have."""
    if "reasons" in said:
        return PredictionsError(tuple(_text(reason) for reason in _list(said["reasons"])))
    columns = tuple(_text(name) for name in _list(said["columns"]))
    cells = []
    for row in _list(said["cells"]):
        names, label, prediction, n, weight = _list(row)
        groups = _groups(names, columns)
        cells.append(
            Cell(groups, _count(label, 1), _count(prediction, 1), _count(n), _number(weight))
        )
    bins = []
    for row in _list(said["bins"]):
        names, tenth, n, millionths, positives = _list(row)
        groups = _groups(names, columns)
        bins.append(
            ScoreBin(groups, _count(tenth, 9), _count(n), _count(millionths), _count(positives))
        )
    digest, repeated = said["rows_digest"], said["repeated"]
    return Cells(
        columns=columns,
        cells=tuple(cells),
        rows_digest=None if digest is None else _text(digest),
        cutoff=_cutoff(said["cutoff"]),
        bins=tuple(bins),
        repeated=None if repeated is None else _count(repeated),
    )


def _groups(names: object, columns: tuple[str, ...]) -> tuple[str, ...]:
    groups = tuple(_text(name) for name in _list(names))
    if len(groups) != len(columns):
        raise ValueError
    return groups


def _cutoff(said: object) -> Cutoff | None:
    if said is None:
        return None
    rule, value, ties = _list(said)
    number = _number(value)
    if number is None:
        raise ValueError
    return Cutoff(_text(rule), number, _count(ties))


def _list(value: object) -> list[object]:
    if type(value) is not list:
        raise TypeError
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _count(value: object, most: int = 10**18) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError
    return value


def _number(value: object) -> float | None:
    if value is not None and type(value) is not float:
        raise TypeError
    return value
