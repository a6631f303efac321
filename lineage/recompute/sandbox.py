"""Running a program that may be hostile: with nothing of the host, and within limits."""

from __future__ import annotations

import hashlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from lineage.domain.placing import WORK
from lineage.recompute.bubblewrap import Bubblewrap
from lineage.recompute.containers import CONTAINER_PROGRAMS, Container
from lineage.recompute.errors import SandboxUnavailable
from lineage.recompute.launch import GO, READY, Job, Kind, Launch
from lineage.recompute.limits import MIB, Ended, Limits, Why
from lineage.recompute.mounts import Mount
from lineage.recompute.users import DEFAULT_USERS
from lineage.recompute.watching import Watch

_TICK_SECONDS: Final = 0.05
_ASK_SECONDS: Final = 0.5  # whether it was cancelled: the answer may lie in a database
_START_SECONDS: Final = 30.0
_TAIL_BYTES: Final = 16 * 1024
_TAIL_LINES: Final = 40
_CHUNK: Final = 65_536
_GONE_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 60.0  # a disk that does not answer keeps a process from being killed
_UNPRINTABLE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n\t\x20-\x7e\xa0-\U0010ffff]")
# What the kernel ends a process with that is over a limit of its own.
_BY_STATUS: Final = {
    128 + signal.SIGXCPU: Why.OUT_OF_TIME,
    128 + signal.SIGXFSZ: Why.TOO_MUCH_WRITTEN,
}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A place where a hostile program reads and changes nothing but its own work folder."""

    kind: Kind

    @classmethod
    def find(cls, kind: str, *, users: Sequence[int] = DEFAULT_USERS, image: str = "") -> Sandbox:
        """Return a sandbox that was just tried and works.

        Args:
            kind: ``bubblewrap``, ``docker`` or ``podman``.
            image: what a container starts from; ``docs/sandbox.md`` says what has to be in it.
            users: user numbers that nothing else on this machine uses, for a worker that is root.

        Raises:
            SandboxUnavailable: it cannot be built here; the message says what to install or set.
        """
        if kind == "bubblewrap":
            sandbox = cls(Bubblewrap(users))
        elif kind in CONTAINER_PROGRAMS:
            sandbox = cls(Container(kind, image, users))
        else:
            raise SandboxUnavailable(
                f"There is no sandbox of the kind {kind!r}: set bubblewrap, docker or podman."
            )
        with TemporaryDirectory(prefix="muniment-") as work:
            ended = sandbox.run(
                ["/bin/true"],
                work=Path(work),
                environment={},
                limits=Limits(memory_bytes=64 * MIB, wall_seconds=10),
            )
        if not ended.succeeded:
            raise SandboxUnavailable(f"The sandbox ({kind}) does not run anything here: {ended}")
        return sandbox

    def run(
        self,
        arguments: Sequence[str],
        *,
        work: Path,
        mounts: Sequence[Mount] = (),
        environment: Mapping[str, str],
        limits: Limits,
        folder: PurePosixPath = WORK,
        on_output: Callable[[bytes], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Ended:
        """Run a program and wait until nothing of it is left.

        Args:
            arguments: the program and its arguments, named as inside.
            work: the only folder that it may write, ``/job`` inside. Where the worker is root it
                is given to the job's user, with everything in it. Links and special files may
                lie in it afterwards: read it with `collecting` alone.
            mounts: what else it sees, read-only.
            environment: all the variables that it has.
            on_output: is given what it writes as it comes: hostile bytes.

        Raises:
            SandboxUnavailable: the sandbox could not be built; the program did not run.
        """
        job = Job(arguments, work, folder, mounts, environment, limits)
        with self.kind.launching(job) as launch:
            process = subprocess.Popen(
                launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
                cwd="/",
                pass_fds=launch.passed,
            )
            with process:
                return _Running(process, launch, job, on_output, cancelled).wait()


class _Running:
    """One program in its sandbox, from its start to when nothing of it is left."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        launch: Launch,
        job: Job,
        on_output: Callable[[bytes], None] | None,
        cancelled: Callable[[], bool],
    ) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process is started with pipes")
        self._process, self._launch, self._job = process, launch, job
        self._on_output, self._cancelled = on_output, cancelled
        self._answer, self._output = process.stdin, process.stdout.fileno()
        self._hash, self._written, self._tail = hashlib.sha256(), 0, b""
        self._first: int | None = None  # a descriptor of the process that all others end with
        self._asked_at = 0.0
        os.set_blocking(self._output, False)

    def wait(self) -> Ended:
        started = time.monotonic()
        why: Why | None = None
        try:
            watch = self._begin()
            while why is None and self._process.poll() is None:
                why = self._take(_TICK_SECONDS) or watch.breach() or self._ask()
        finally:
            self._end()
        why = why or self._take_rest() or watch.last_breach()
        status = self._process.returncode
        status = 128 - status if status < 0 else status
        return Ended(
            exit_status=status,
            why=why or self._why(status),
            last_lines=printable(self._tail),
            log_sha256=self._hash.hexdigest(),
            seconds=round(time.monotonic() - started, 3),
        )

    def _why(self, status: int) -> Why:
        if status == self._launch.status_of_memory:
            return Why.OUT_OF_MEMORY
        return _BY_STATUS.get(status, Why.EXITED)

    def _begin(self) -> Watch:
        """Wait until the sandbox stands, and let the program start."""
        said = b""
        ends = time.monotonic() + _START_SECONDS
        while not said.endswith(READY) and time.monotonic() < ends:
            if not _is_readable(self._output, _TICK_SECONDS):
                continue
            chunk = os.read(self._output, _CHUNK)
            if not chunk:
                break
            said += chunk
        if said != READY:
            raise SandboxUnavailable(
                "The sandbox cannot be built here: "
                + (printable(said).strip() or f"{self._launch.command[0]} said nothing")
                + ". Muniment runs no training code without one."
            )
        number = self._launch.find_first()
        if number is not None:
            with suppress(OSError):
                self._first = os.pidfd_open(number)
        with suppress(BrokenPipeError):
            self._answer.write(GO)
            self._answer.close()
        return Watch(number, self._job.work, self._job.limits)

    def _take(self, seconds: float) -> Why | None:
        """Take what was written, waiting for it a moment."""
        if not _is_readable(self._output, seconds):
            return None
        chunk = os.read(self._output, _CHUNK)
        if not chunk:  # nobody holds the other end: what runs on, runs in silence
            time.sleep(seconds)
            return None
        chunk = chunk[: self._job.limits.output_bytes + 1 - self._written]
        self._written += len(chunk)
        self._hash.update(chunk)
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
        if self._on_output is not None:
            self._on_output(chunk)
        return Why.TOO_MUCH_OUTPUT if self._written > self._job.limits.output_bytes else None

    def _take_rest(self) -> Why | None:
        """Take what was written before the end; nobody is left who could write more."""
        while True:
            before = self._written
            why = self._take(0)
            if why is not None or self._written == before:
                return why

    def _ask(self) -> Why | None:
        if time.monotonic() < self._asked_at:
            return None
        self._asked_at = time.monotonic() + _ASK_SECONDS
        return Why.CANCELLED if self._cancelled() else None

    def _end(self) -> None:
        """End everything inside, and wait until it is gone."""
        self._launch.kill()
        if self._first is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            # It can be read when it is gone, and all the others are gone before it.
            _is_readable(self._first, _LAST_SECONDS)
            os.close(self._first)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_SECONDS)  # it passes the exit status on
        self._process.kill()
        self._process.wait()


def _is_readable(descriptor: int, seconds: float) -> bool:
    asked = select.poll()  # unlike select() it takes descriptors beyond the first thousand
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(seconds * 1000))


def printable(content: bytes) -> str:
    """Return the last lines of what a program wrote, without what steers a terminal."""
    text = _UNPRINTABLE.sub("", content.decode("utf-8", errors="replace").replace("\r\n", "\n"))
    return "\n".join(text.split("\n")[-_TAIL_LINES:])
