"""Running a command as if nobody stood between it and the terminal."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# As shells say it.
CANNOT_RUN: Final = 126
NOT_FOUND: Final = 127
# What somebody may send to us and means for the command. What stops and continues a process goes
# to the whole group by itself.
_PASSED_ON: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def run_command(
    arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path | None = None
) -> int:
    """Run a command on our own standard streams and terminal, and return its exit status.

    Signals that are sent to this process are passed on; those of the terminal reach the command by
    themselves.

    Returns:
        the exit status; minus the signal's number where one ended it.

    Raises:
        FileNotFoundError, PermissionError, OSError: it cannot be started.
    """
    waited_for = {*_PASSED_ON, signal.SIGCHLD}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, nobody would learn how it ended
    # Blocked, so that nothing is lost between two looks; the command gets the mask that we had.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    try:
        started = subprocess.Popen(
            list(arguments),
            env=dict(environment),
            cwd=folder,
            close_fds=False,  # what we inherited is the command's as well
            preexec_fn=lambda: _unblock(before),  # noqa: PLW1509 - this process has one thread
        )
        while started.poll() is None:
            _pass_on(started, waited_for)
        return started.returncode
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_as(status: int) -> int:
    """Return what to exit with; where a signal ended the command, end by the same one."""
    if status >= 0:
        return status
    number = -status
    # Whoever waits for us sees the same; the core, if any, was the command's.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:  # nobody may set that one
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number


def _pass_on(started: subprocess.Popen[bytes], waited_for: set[signal.Signals]) -> None:
    if not hasattr(signal, "sigwaitinfo"):  # macOS cannot say who sent it
        number = signal.sigwait(waited_for)
        if number not in (signal.SIGCHLD, signal.SIGINT, signal.SIGQUIT):
            started.send_signal(number)
        return
    said = signal.sigwaitinfo(waited_for)
    # A positive code is the kernel's: the terminal has told the command itself.
    if said.si_signo != signal.SIGCHLD and said.si_code <= 0:
        started.send_signal(said.si_signo)


def _unblock(mask: set[signal.Signals | int]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
