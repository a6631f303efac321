"""What is seen inside the sandbox besides the system, and where."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from lineage.domain.placing import WORK
from lineage.recompute.errors import SandboxUnavailable

__all__ = ["WORK", "Mount", "interpreter_mounts"]

_SYSTEM_PYTHON: Final = PurePosixPath("/usr")


@dataclass(frozen=True, slots=True)
class Mount:
    """One file or folder of the host, read-only inside.

    Attributes:
        target: absolute; below `WORK` it must be a place that `make_place` made.
    """

    source: Path
    target: PurePosixPath


def interpreter_mounts(python: Path) -> tuple[Mount, ...]:
    """Return what an interpreter needs to start: its environment, and what that was made from.

    Args:
        python: of a virtual environment, or of an installation; nothing of it is run.

    Raises:
        SandboxUnavailable: it lies where the work folder stands inside, which is the program's.
    """
    environment = python.parent.parent
    folders: list[Path] = []
    if (environment / "pyvenv.cfg").is_file():
        folders.append(environment)
    # Each link on the way to the executable has to be there inside.
    link = python
    for _ in range(40):
        folders.append(link.parent.parent)
        if not link.is_symlink():
            break
        link = Path(os.path.normpath(link.parent / link.readlink()))
    folders.append(Path(os.path.realpath(python)).parent.parent)
    if any(WORK in PurePosixPath(folder / "x").parents for folder in folders):
        raise SandboxUnavailable(f"No interpreter below {WORK} can be used: {python}.")
    return tuple(Mount(folder, PurePosixPath(folder)) for folder in _outermost(folders))


def _outermost(folders: Iterable[Path]) -> list[Path]:
    """Return the folders without those that lie in another, and without the system's."""
    kept: list[Path] = []
    for folder in sorted(set(folders), key=lambda one: len(one.parts)):
        place = PurePosixPath(folder)
        is_system = place == _SYSTEM_PYTHON or _SYSTEM_PYTHON in place.parents
        if place == PurePosixPath("/") or is_system:
            continue
        if not any(outer == folder or outer in folder.parents for outer in kept):
            kept.append(folder)
    return kept


def make_readable(place: Path) -> None:
    """Let the job's user read what is mounted, whatever the worker's umask was; follow no link."""
    for path in (place, *(place.rglob("*") if place.is_dir() else ())):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
