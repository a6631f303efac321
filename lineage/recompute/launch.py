"""How a program is put into a sandbox: what every kind of sandbox is asked to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from lineage.recompute.errors import SandboxUnavailable
from lineage.recompute.limits import GIB, Limits
from lineage.recompute.mounts import Mount

READY: Final = b"\x06"
GO: Final = b"go\n"
# The first thing that runs inside. It says that the sandbox stands, and starts nothing before the
# worker has answered: a worker that died meanwhile leaves nothing that runs.
_GUARD: Final = (
    "printf '\\006'; read -r go && [ \"$go\" = go ] || exit 125; "
    "echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec </dev/null; "
    'exec prlimit "$@"'
)


@dataclass(frozen=True, slots=True)
class Job:
    """One program to be run.

    Attributes:
        arguments: the program and its arguments, as they are named inside.
        work: the one folder that it may write.
        folder: where it starts, inside.
        environment: all its variables.
    """

    arguments: Sequence[str]
    work: Path
    folder: PurePosixPath
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    limits: Limits

    def guarded(self) -> list[str]:
        """Return what is run inside: the program, behind its limits and the guard's question."""
        limits = self.limits
        seconds = max(1, round(limits.wall_seconds))
        return [
            *("/bin/sh", "-c", _GUARD, "guard"),
            # Address space is what a program asks for, not what it uses: numpy asks for much.
            f"--as={2 * limits.memory_bytes + 16 * GIB}",
            f"--cpu={seconds}:{seconds + 5}",
            f"--fsize={limits.file_bytes}",
            f"--nproc={limits.processes}",
            "--nofile=1024",
            # At 0 the kernel still hands a crash to the program of the host that collects them.
            "--core=1",
            "--",
            *self.arguments,
        ]


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that opens the sandbox and runs the job.

    Attributes:
        passed: descriptors that the command inherits.
        find_first: the process, as the host sees it, that everything inside descends from; None
            where it does not run below the command. Asked once the sandbox stands.
        kill: end everything inside; called for whatever reason the job ends.
        status_of_memory: the exit status that tells of too much memory, where nobody else watches.
    """

    command: Sequence[str]
    passed: Sequence[int] = ()
    find_first: Callable[[], int | None] = field(default=lambda: None)
    kill: Callable[[], None] = field(default=lambda: None)
    status_of_memory: int | None = None


class Kind(Protocol):
    """One way to build a sandbox."""

    def launching(self, job: Job) -> AbstractContextManager[Launch]:
        """Make ready what the command needs, and put it away afterwards."""
        ...


def find_program(name: str, package: str) -> str:
    """Return where a program is.

    Raises:
        SandboxUnavailable: it is not there; the message names the package to install.
    """
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/bin")
    if found is None:
        raise SandboxUnavailable(
            f"{name} was not found: install the system package {package} where the worker of the "
            "queue recompute runs, or set another kind of sandbox. Muniment runs no training code "
            "without one."
        )
    return found
