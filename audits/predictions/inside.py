"""What runs in the process that reads a file from outside; see `apart`."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from fractions import Fraction
from typing import Any

from audits.domain.criteria import MEDIAN
from audits.predictions.cells import Cells, PredictionColumns
from audits.predictions.reading import count_cells

# The engine itself is told to stay under a gigabyte; this is the fence behind that.
_ADDRESS_BYTES = 8 * 2**30
_WRITTEN_BYTES = 32 * 2**30
_CPU_SECONDS = 3_600
_FILES = 256
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


def main() -> None:
    """Read the order on standard input, count, and write what was found on standard output."""
    order = json.load(sys.stdin)
    # Whatever else writes on standard output must not get into the answer.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _give_up()
    columns = order["columns"]
    columns["groups"] = tuple(columns["groups"])
    cutoff = order["cutoff"]
    found = count_cells(
        order["path"],
        PredictionColumns(**columns),
        cutoff=cutoff if cutoff in (None, MEDIAN) else Fraction(cutoff),
    )
    said = _said(found) if isinstance(found, Cells) else {"reasons": found.reasons}
    with answer:
        json.dump(said, answer)


def _give_up() -> None:
    """Take what reading a file does not need from this process."""
    for limit, most in (
        (resource.RLIMIT_AS, _ADDRESS_BYTES),
        (resource.RLIMIT_FSIZE, _WRITTEN_BYTES),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (lowest, lowest))
    if sys.platform == "linux":
        # A network of its own, with nothing in it. A kernel that lets nobody have one says no, and
        # the engine has no network either way.
        ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)


def _said(cells: Cells) -> dict[str, Any]:
    cut = cells.cutoff
    return {
        "columns": cells.columns,
        "cells": [
            (one.groups, one.label, one.prediction, one.n, one.weight) for one in cells.cells
        ],
        "rows_digest": cells.rows_digest,
        "cutoff": None if cut is None else (cut.rule, cut.value, cut.ties),
        "bins": [
            (one.groups, one.tenth, one.n, one.millionths, one.positives) for one in cells.bins
        ],
        "repeated": cells.repeated,
    }
