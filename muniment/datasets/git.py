"""Whether a path on a disk is exactly what its git repository holds at the commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Final

_SECONDS: Final = 60.0


def repository_of(path: Path) -> Path | None:
    """Return the top folder of the git repository that a path lies in; None where there is none."""
    folder = path if path.is_dir() and not path.is_symlink() else path.parent
    top = _git(folder, "rev-parse", "--show-toplevel")
    return Path(os.fsdecode(top.rstrip(b"\n"))) if top else None


def is_committed(repository: Path, names: Collection[str], beneath: str) -> bool:
    """Say whether HEAD holds exactly these files, byte for byte, below a path.

    Filters (large-file storage, line endings) do not count: what lies on the disk is compared with
    what a plain checkout would write.

    Args:
        names: path of each file relative to the repository.
        beneath: the path that they lie at or below, relative to the repository.
    """
    listed = _git(repository, "ls-tree", "-r", "-z", "--full-tree", "HEAD", "--", beneath)
    if listed is None:
        return False
    held: dict[str, bytes] = {}
    for line in listed.split(b"\0"):
        about, tab, name = line.partition(b"\t")
        if not tab:
            continue
        mode, kind, blob = about.split(b" ")
        if kind != b"blob" or mode == b"120000":
            return False
        held[os.fsdecode(name)] = blob
    if set(held) != set(names) or not held:
        return False
    asked = "".join(f"{name}\n" for name in names)
    found = _git(repository, "hash-object", "--no-filters", "--stdin-paths", stdin=asked)
    return found is not None and found.split() == [held[name] for name in names]


def _git(folder: Path, *arguments: str, stdin: str = "") -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            input=os.fsencode(stdin),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
