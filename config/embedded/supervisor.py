"""Starts services in order, watches them, and stops what it started, and only that."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

from config.embedded.errors import ServiceFailed
from config.embedded.home import Home
from config.embedded.progress import Progress

_HERE = Path(__file__).parent
_POLL_SECONDS = 0.05
_STILL_WAITING_SECONDS = 5.0
_TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Service:
    """How one process is started, known to be ready, and stopped.

    Attributes:
        title: its name for people.
        is_ready: asked again and again until true; must not raise, must return within seconds.
        environment: the whole environment: nothing is inherited.
        stop_signal: sent to the process itself; its group is killed after `grace_seconds`.
        is_foundation: others stand on it: it is stopped when all of those have ended.
        user: whom to run as, where the supervisor is root; empty is no change.
        before: run just before the process is started (frees its port).
    """

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    cwd: Path
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    ready_timeout_seconds: float = 90.0
    is_foundation: bool = False
    user: str = ""
    before: Callable[[], None] | None = None


@dataclass(slots=True)
class _Running:
    service: Service
    popen: subprocess.Popen[bytes]
    started: float
    is_ready: bool = False


class Supervisor:
    """Owns a set of services; leaving it stops all of them in reverse order of their start.

    Use it from one thread that outlives the services: on Linux a service is told to end when the
    thread that started it ends.

    Args:
        logs: where each service's log goes.
        progress: told of every step.
        home: entered before; its lock is held until the last service is gone, come what may.
    """

    def __init__(self, *, logs: Path, progress: Progress, home: Home | None = None) -> None:
        self._logs = logs
        self._home = home
        self._progress = progress
        self._running: dict[str, _Running] = {}
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HERE / "reaper.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            pass_fds=() if self._home is None else self._home.lock_descriptors,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with deaf_to_signals():
            self.stop_all()
            reaper, self._reaper = self._reaper, None
            if reaper is not None and reaper.stdin is not None:
                reaper.stdin.close()
                reaper.wait()

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each running service."""
        return {name: entry.popen.pid for name, entry in self._running.items()}

    def start(self, service: Service) -> None:
        """Start a service and wait until it is ready.

        Raises:
            ServiceFailed: it ended, or was not ready in time; the message has its log's tail.
        """
        self.launch(service)
        self.await_ready(service.name)

    def launch(self, service: Service) -> None:
        """Start a service without waiting for it."""
        if service.name in self._running:
            raise ServiceFailed(service.name, f"{service.title} is running already")
        self._progress.say(f"starting {service.title}")
        if service.before is not None:
            service.before()
        self.log_of(service.name).touch(mode=0o600)
        with self.log_of(service.name).open("ab") as log:
            popen = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(_HERE / "launch.py"),
                    str(os.getpid()),
                    str(int(service.stop_signal)),
                    service.user,
                    "--",
                    *service.command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(service.environment),
                cwd=service.cwd,
                process_group=0,
            )
        self._running[service.name] = _Running(service, popen, time.monotonic())
        self._tell_reaper(f"+ {popen.pid} {int(service.stop_signal)} {service.grace_seconds}")

    def await_ready(self, name: str) -> None:
        """Wait until a launched service answers.

        Raises:
            ServiceFailed: it, or a service before it, ended, or it was not ready in time.
        """
        entry = self._running[name]
        if entry.is_ready:
            return
        title = entry.service.title
        next_word = time.monotonic() + _STILL_WAITING_SECONDS
        while not entry.service.is_ready():
            self.require_all_running()
            now = time.monotonic()
            if now - entry.started > entry.service.ready_timeout_seconds:
                raise ServiceFailed(
                    name,
                    f"{title} did not become ready within "
                    f"{entry.service.ready_timeout_seconds:.0f} s.\n{self._tail(name)}",
                )
            if now >= next_word:
                self._progress.say(f"still waiting for {title}")
                next_word = now + _STILL_WAITING_SECONDS
            time.sleep(_POLL_SECONDS)
        self.require_all_running()  # what answered was ours, not a stranger on the same port
        entry.is_ready = True
        self._progress.say(f"{title} is ready ({time.monotonic() - entry.started:.1f} s)")

    def require_all_running(self) -> None:
        """Raise for the first service that has ended by itself.

        Raises:
            ServiceFailed: with the exit status and the tail of its log.
        """
        for name, entry in self._running.items():
            if _has_ended(entry.popen):
                how = _how_it_ended(entry.popen)
                raise ServiceFailed(
                    name, f"{entry.service.title} ended by itself ({how}).\n{self._tail(name)}"
                )

    def wait(self) -> None:
        """Block until a service ends by itself.

        Raises:
            ServiceFailed: when one does.
        """
        while True:
            self.require_all_running()
            time.sleep(0.5)

    def stop(self, name: str) -> None:
        """Stop one service and everything it started; one that is not running is no error."""
        entry = self._running.get(name)
        if entry is not None:
            self._ask_to_stop(entry)
            self._end(name, entry, deadline=time.monotonic() + entry.service.grace_seconds)

    def stop_all(self) -> None:
        """Stop every service: first, all at once, those that stand on others, then the others."""
        if self._running:
            self._progress.say("stopping " + ", ".join(reversed(self._running)))
        entries = list(reversed(self._running.items()))
        for is_foundation in (False, True):
            tier = [item for item in entries if item[1].service.is_foundation is is_foundation]
            asked = time.monotonic()
            for _, entry in tier:
                self._ask_to_stop(entry)
            for name, entry in tier:
                self._end(name, entry, deadline=asked + entry.service.grace_seconds)

    def _ask_to_stop(self, entry: _Running) -> None:
        if not _has_ended(entry.popen):
            entry.popen.send_signal(entry.service.stop_signal)

    def _end(self, name: str, entry: _Running, *, deadline: float) -> None:
        popen = entry.popen
        while not _has_ended(popen) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if popen.returncode is None:
            # The leader is not reaped yet, so that its group's number cannot be anyone else's.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
        del self._running[name]
        self._tell_reaper(f"- {popen.pid}")

    def log_of(self, name: str) -> Path:
        """Return the log file of a service."""
        return self._logs / f"{name}.log"

    def _tail(self, name: str) -> str:
        path = self.log_of(name)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join([f"The end of {path}:", *(f"  {line}" for line in lines)])

    def _tell_reaper(self, line: str) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.write(line.encode() + b"\n")
            self._reaper.stdin.flush()


def _has_ended(popen: subprocess.Popen[bytes]) -> bool:
    """Say whether a child has ended, without reaping it."""
    if popen.returncode is not None:
        return True
    status = os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return status is not None


def _how_it_ended(popen: subprocess.Popen[bytes]) -> str:
    """Say in words how a child ended, without reaping it."""
    ended = os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return "it is running"
    if ended.si_code == os.CLD_EXITED:
        return f"exit status {ended.si_status}"
    return f"signal {ended.si_status}"


class StopRequested(BaseException):
    """SIGTERM or SIGHUP came: like KeyboardInterrupt, not to be taken for a failure."""


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into StopRequested, in the main thread, while inside."""

    def request_stop(number: int, _frame: FrameType | None) -> None:
        raise StopRequested(signal.Signals(number).name)

    with _handlers({signal.SIGTERM: request_stop, signal.SIGHUP: request_stop}):
        yield


@contextlib.contextmanager
def deaf_to_signals() -> Iterator[None]:
    """Let no impatient second Ctrl-C leave a service behind, while inside."""
    ignored = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with _handlers(dict.fromkeys(ignored, signal.SIG_IGN)):
        yield


@contextlib.contextmanager
def _handlers(
    wanted: Mapping[signal.Signals, Callable[[int, FrameType | None], None] | signal.Handlers],
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
