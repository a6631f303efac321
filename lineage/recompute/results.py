"""What a training recorded in its own MLflow, read by a program in a sandbox of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from lineage.domain.placing import WORK
from lineage.recompute.errors import RecomputeError
from lineage.recompute.limits import GIB, MIB, Limits
from lineage.recompute.mounts import Mount, interpreter_mounts
from lineage.recompute.sandbox import Sandbox
from muniment.attest.errors import AttestError
from muniment.attest.strict_json import parse_object
from muniment.reading import Members

_SCRIPT: Final = Path(__file__).parent / "inside" / "results.py"
_TARGET: Final = PurePosixPath("/muniment/results.py")
_MAX_BYTES: Final = 16 * MIB
_LIMITS: Final = Limits(memory_bytes=GIB, wall_seconds=120, processes=64, output_bytes=_MAX_BYTES)


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """One run of a training.

    Attributes:
        metrics: the last value of each; None where it is no finite number.
        models: folders with a model, relative to the work folder, the likeliest first.
    """

    parameters: Mapping[str, str]
    metrics: Mapping[str, float | None]
    models: tuple[str, ...]


class _Unreadable(AttestError):
    """What the reader printed is not what it prints."""

    default_code = "outputs.unreadable"


def read_runs(work: Path, database: PurePosixPath, sandbox: Sandbox) -> tuple[TrainedRun, ...]:
    """Return the runs in an SQLite file that hostile code wrote, in the order of their starts.

    The file is opened inside the sandbox alone, by this process's own interpreter without any of
    its packages.

    Raises:
        RecomputeError: ``outputs.unreadable``.
    """
    python = Path(os.path.realpath(sys.executable))
    printed: list[bytes] = []
    ended = sandbox.run(
        [str(python), "-I", "-S", str(_TARGET), str(WORK / database), str(WORK)],
        work=work,
        mounts=[*interpreter_mounts(python), Mount(_SCRIPT, _TARGET)],
        environment={"PATH": "/usr/bin:/bin"},
        limits=_LIMITS,
        on_output=printed.append,
    )
    try:
        if not ended.succeeded:
            raise _Unreadable(f"its reader ended with {ended.why} {ended.exit_status}")
        top = Members(
            parse_object(
                b"".join(printed), error=_Unreadable, what="the runs", max_bytes=_MAX_BYTES
            ),
            error=_Unreadable,
        )
        runs = top.each("runs", _run, 1_000)
        top.end()
    except AttestError as error:
        raise RecomputeError(
            f"What the training recorded in MLflow cannot be read: {error.message}.",
            code="outputs.unreadable",
        ) from error
    return runs


def _run(value: object, where: str) -> TrainedRun:
    members = Members(value, error=_Unreadable, where=where)
    members.text("id")
    run = TrainedRun(
        parameters=members.pairs("parameters"),
        metrics=dict(members.each("metrics", _metric)),
        models=members.texts("models"),
    )
    members.end()
    return run


def _metric(value: object, where: str) -> tuple[str, float | None]:
    match value:
        case [str() as name, int() | float() | None as number] if not isinstance(number, bool):
            return name, None if number is None else float(number)
    raise _Unreadable(f"{where} is no name with a number")
