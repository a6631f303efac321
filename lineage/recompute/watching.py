"""What a job uses, measured from outside."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final

from lineage.recompute.limits import MIB, Limits, Why

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_DEEPEST: Final = 100
# What the host keeps for itself, of its disk and of its memory: files that were deleted and are
# open, and memory that no process has mapped, show nowhere else.
_RESERVE_BYTES: Final = 256 * MIB
_MEMORY_SECONDS: Final = 0.1
_FOLDER_SECONDS: Final = 0.5


class TooMuch(Exception):  # a signal between functions of this file
    """A folder holds more than it may."""


class Watch:
    """Watches one job.

    Args:
        first: the process that all of the job descends from; None where nobody knows.
    """

    def __init__(self, first: int | None, work: Path, limits: Limits) -> None:
        self._first, self._work, self._limits = first, work, limits
        self._ends = time.monotonic() + limits.wall_seconds
        self._memory_at = self._folder_at = 0.0

    def breach(self) -> Why | None:
        """Return the limit that is broken now; measures no more often than is cheap."""
        now = time.monotonic()
        if now >= self._ends:
            return Why.OUT_OF_TIME
        if self._first is not None and now >= self._memory_at:
            if resident_bytes(self._first, more_than=self._limits.memory_bytes):
                return Why.OUT_OF_MEMORY
            if available_bytes() < _RESERVE_BYTES:
                return Why.OUT_OF_MEMORY
            self._memory_at = time.monotonic() + max(_MEMORY_SECONDS, 5 * (time.monotonic() - now))
        now = time.monotonic()
        if now >= self._folder_at:
            if self._is_overfull():
                return Why.TOO_MUCH_WRITTEN
            self._folder_at = time.monotonic() + max(_FOLDER_SECONDS, 10 * (time.monotonic() - now))
        return None

    def last_breach(self) -> Why | None:
        """Return what is broken at the end: a program may be quicker than whoever looks."""
        return Why.TOO_MUCH_WRITTEN if self._is_overfull() else None

    def _is_overfull(self) -> bool:
        volume = os.statvfs(self._work)
        if volume.f_bavail * volume.f_frsize < _RESERVE_BYTES:
            return True
        try:
            require_size(self._work, at_most=self._limits.work_bytes, files=self._limits.work_files)
        except TooMuch:
            return True
        return False


def resident_bytes(first: int, *, more_than: int) -> int:
    """Return the memory of a process and all that descend from it, or 0 where it is no more.

    Args:
        more_than: up to here the quick figure is enough, which counts shared pages again for each
            process.
    """
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                said = (entry / "stat").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            fields = said[said.rindex(b")") + 2 :].split()
            parents[int(entry.name)] = int(fields[1])
            pages[int(entry.name)] = int(fields[21])
    children: dict[int, list[int]] = {}
    for process, parent in parents.items():
        children.setdefault(parent, []).append(process)
    tree, left = [], [first]
    while left:
        tree.append(left.pop())
        left += children.get(tree[-1], [])
    if _PAGE * sum(pages.get(process, 0) for process in tree) <= more_than:
        return 0
    exact = sum(_proportional(process, pages.get(process, 0)) for process in tree)
    return exact if exact > more_than else 0


def available_bytes() -> int:
    """Return the memory that this machine can still give without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return 0  # a kernel that does not say it gives no memory to hostile code


def _proportional(process: int, pages: int) -> int:
    try:
        said = Path("/proc", str(process), "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return pages * _PAGE
    return 1024 * sum(
        int(line.split()[1]) for line in said.splitlines() if line.startswith(("Pss:", "SwapPss:"))
    )


def require_size(folder: Path, *, at_most: int, files: int) -> None:
    """Raise `TooMuch` where a folder that others write in holds more than it may.

    A link is counted and never followed; a file with several names counts for each; a folder
    below a hundred others is too much by itself.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _measure(opened, [at_most, files], 0)
    finally:
        os.close(opened)


def _measure(folder: int, left: list[int], depth: int) -> None:
    if depth > _DEEPEST:
        raise TooMuch
    with os.scandir(folder) as entries:
        for entry in entries:
            left[1] -= 1
            try:
                found = entry.stat(follow_symlinks=False)
                left[0] -= found.st_blocks * 512
                if left[0] < 0 or left[1] < 0:
                    raise TooMuch
                if not stat.S_ISDIR(found.st_mode):
                    continue
                inner = os.open(
                    entry.name,
                    os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC,
                    dir_fd=folder,
                )
            except OSError:
                continue  # gone meanwhile, or closed to us
            try:
                _measure(inner, left, depth + 1)
            finally:
                os.close(inner)
