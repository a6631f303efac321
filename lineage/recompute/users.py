"""A user for each job, where the worker is root: no two jobs share one, nor does the host."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lineage.recompute.errors import SandboxUnavailable

_COUNT: Final = 100
_STATE: Final = Path("/run/muniment-sandbox")


def job_users(first: int) -> range:
    """Return the users of jobs from the first on."""
    return range(first, first + _COUNT)


DEFAULT_USERS: Final = job_users(61_000)


@dataclass(frozen=True, slots=True)
class JobUser:
    """A user that no process runs as.

    Attributes:
        stage: a folder of root's, for the mounts of this job.
    """

    uid: int
    stage: Path


@contextmanager
def free_user(users: Sequence[int] = DEFAULT_USERS) -> Iterator[JobUser]:
    """Hold a user until the block ends, or this process does.

    Raises:
        SandboxUnavailable: all of them are taken, or the folder that says so cannot be written.
    """
    try:
        _STATE.mkdir(mode=0o711, exist_ok=True)
        _STATE.chmod(0o711)
    except OSError as error:
        raise SandboxUnavailable(
            f"The worker is root, and {_STATE} cannot be written ({error.strerror}). Make it "
            "writable, or run the worker as an ordinary user."
        ) from error
    for uid in users:
        lock = os.open(_STATE / f"{uid}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            # A worker that was killed gave its lock up at once; what it ran is dying still.
            if uid in _running_users():
                continue
            stage = _STATE / str(uid)
            stage.mkdir(mode=0o711, exist_ok=True)
            stage.chmod(0o711)  # whatever the umask was of the worker that made it
            yield JobUser(uid, stage)
            return
        finally:
            os.close(lock)
    raise SandboxUnavailable(
        f"All {len(users)} users of the sandbox are taken: too many recomputations at once."
    )


def _running_users() -> set[int]:
    running: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            said = (entry / "status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it ended meanwhile
        # Not the owner of the file: a process that cannot be dumped shows root there.
        running.update(int(uid) for uid in said.partition("\nUid:")[2].split("\n")[0].split())
    return running


def give_away(folder: Path, uid: int) -> None:
    """Make everything below a folder a user's own, without following a link."""
    os.chown(folder, uid, uid, follow_symlinks=False)
    for _, folders, files, opened in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, uid, uid, dir_fd=opened, follow_symlinks=False)
