"""Running a program of ours that works on what others wrote, such as git and uv.

It ends with the worker, it is ended whole when its time is up or the work is cancelled, and what it
says is bounded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from lineage.recompute.errors import RecomputationCancelled

_ASK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended; `exit_status` is None where its time was up."""

    exit_status: int | None
    output: bytes
    errors: bytes

    @property
    def was_too_large(self) -> bool:
        """Say whether it was ended for writing a larger file, or more output, than it may."""
        return self.exit_status == -signal.SIGXFSZ


def run_program(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    seconds: float,
    file_bytes: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> Done:
    """Run a program and wait for its end.

    Args:
        file_bytes: no file that it writes grows larger, and its output and errors are files.
        cancelled: is asked several times a second; true ends it and all that it started.

    Raises:
        RecomputationCancelled: it was cancelled.
    """
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *("prlimit", f"--fsize={file_bytes}", "--core=0", "--"),
                *arguments,
            ],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        with process:
            try:
                status = _wait(process, seconds, cancelled)
            finally:
                # What it started may have outlived it.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return Done(status, _content(output), _content(errors))


def _wait(
    process: subprocess.Popen[bytes], seconds: float, cancelled: Callable[[], bool]
) -> int | None:
    ends = time.monotonic() + seconds
    while True:
        try:
            return process.wait(max(0.0, min(_ASK_SECONDS, ends - time.monotonic())))
        except subprocess.TimeoutExpired:
            if cancelled():
                raise RecomputationCancelled(
                    "The recomputation was cancelled while something was fetched or built."
                ) from None
            if time.monotonic() >= ends:
                return None


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
