"""What git says of the folder that a command runs in."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from muniment.attest.digest import sha256_file
from muniment.attest.errors import DigestError
from muniment.lineage_file import Code, Fault

# Longer than any repository needs, and short enough that a hanging file system is no end.
_GIT_SECONDS: Final = 60
_MAX_CHANGED: Final = 10_000
_SHOWN: Final = 10
_NAMED: Final = 3
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Repository:
    """A working copy as it stood before the command started.

    Attributes:
        root: None where there is no repository.
        changes: what differs from the commit, as ``git status`` writes it: ``M train.py``.
        faults: what could not be said.
    """

    root: Path | None
    code: Code
    changes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


class _GitSilent(Exception):
    """Git did not answer; the message says why."""


def look_at_repository(folder: Path, *, notebook: str = "") -> Repository:
    """Read commit, remote and changes. Never raises: what git cannot say is a fault.

    Args:
        notebook: path of the notebook that trains; it is recorded as it stands in the repository.
    """
    try:
        root = Path(_text(folder, "rev-parse", "--show-toplevel"))
    except _GitSilent as error:
        fault = Fault(f"The code's commit is not recorded: {error}", "code")
        return Repository(None, Code(notebook=notebook), faults=(fault,))
    faults: list[str] = []
    commit = remote = diff = ""
    is_dirty: bool | None = None
    changes: tuple[str, ...] = ()
    try:
        commit = _commit(root)
        changes = _changes(root)
        is_dirty = bool(changes)
        diff = _diff_sha256(root) if is_dirty else ""
        hidden = _hidden(root)
        if hidden:
            faults.append(_hidden_fault(hidden))
    except _GitSilent as error:
        faults.append(f"The code's state is not recorded in full: {error}")
    try:
        remote = without_credentials(_remote(root))
        if not remote:
            faults.append("The repository has no remote: nobody else can fetch its commit.")
        elif commit and not _text(root, "branch", "--remotes", "--contains", commit):
            faults.append("No branch of a remote holds the commit yet: push it.")
    except _GitSilent as error:
        faults.append(f"Whether the commit can be fetched is not known: {error}")
    code = Code(commit, remote, is_dirty, diff, _in_repository(notebook, folder, root))
    return Repository(root, code, changes, tuple(Fault(fault, "code") for fault in faults))


def refusal(changes: Sequence[str], otherwise: str) -> str:
    """Say what differs from the commit, and what to do about it.

    Args:
        otherwise: how to go on as it is.
    """
    more = f"\n  and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    shown = "\n".join(f"  {change}" for change in changes[:_SHOWN])
    return (
        "not started: these files differ from the commit, so that nobody could tell what trained:\n"
        f"{shown}{more}\n"
        "Commit them, or have .gitignore name what training writes, then run it again; with "
        f"{otherwise} it runs as it is, and its code counts as weak."
    )


def without_credentials(remote: str) -> str:
    """Return a remote without the user, password and query that it may carry.

    Only ``ssh`` keeps its user name; ``user@host:path`` is left as it is.
    """
    if "://" not in remote:
        return remote
    try:
        split = urlsplit(remote)
    except ValueError:
        return ""
    user, at, host = split.netloc.rpartition("@")
    if split.scheme in ("ssh", "git+ssh") and at:
        host = f"{user.partition(':')[0]}@{host}"
    return split._replace(netloc=host, query="", fragment="").geturl()


def _in_repository(path: str, folder: Path, root: Path) -> str:
    whole = folder / path
    return whole.relative_to(root).as_posix() if path and whole.is_relative_to(root) else path


def _commit(root: Path) -> str:
    commit = _text(root, "rev-parse", "--verify", "HEAD")
    if _COMMIT.fullmatch(commit) is None:
        raise _GitSilent("HEAD is no commit.")
    return commit


def _changes(root: Path) -> tuple[str, ...]:
    listed = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all")
    parts = listed.decode("utf-8", "replace").split("\0")
    found, is_origin = [], False
    for part in parts:
        if is_origin or not part:
            is_origin = False
            continue
        # Of a rename the old name follows by itself.
        is_origin = part[0] in "RC"
        found.append(part.strip())
    return tuple(found[:_MAX_CHANGED])


def _hidden(root: Path) -> list[str]:
    """Return the files that git was told to take for unchanged without a look at them."""
    listed = _git(root, "ls-files", "-v", "-z").decode("utf-8", "surrogateescape").split("\0")
    # Lower case: --assume-unchanged. S: --skip-worktree, which a sparse checkout gives to what is
    # not there at all.
    marked = [(one[0], one[2:]) for one in listed if one and (one[0].islower() or one[0] == "S")]
    return [name for mark, name in marked if mark.upper() != "S" or os.path.lexists(root / name)]


def _hidden_fault(hidden: Sequence[str]) -> str:
    more = f" and {len(hidden) - _NAMED} more" if len(hidden) > _NAMED else ""
    shown = ", ".join(name.encode("utf-8", "replace").decode()[:200] for name in hidden[:_NAMED])
    return (
        f"Git is told not to look at {shown}{more}, so that nobody can say whether they are those "
        "of the commit: git update-index --no-assume-unchanged --no-skip-worktree FILE ends that."
    )


def _diff_sha256(root: Path) -> str:
    """Return the SHA-256 of the diff to the commit, then of each untracked file and its name."""
    whole = hashlib.sha256(
        _git(root, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color")
    )
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    for name in sorted(name for name in untracked if name):
        try:
            digest = sha256_file(root / name.decode("utf-8", "surrogateescape")).hex
        except DigestError:
            digest = "-" * 64
        whole.update(digest.encode() + b"  " + name + b"\0")
    return whole.hexdigest()


def _remote(root: Path) -> str:
    remotes = _text(root, "remote").split()
    if not remotes:
        return ""
    name = "origin" if "origin" in remotes else remotes[0]
    return _text(root, "remote", "get-url", name)


def _text(folder: Path, *arguments: str) -> str:
    return _git(folder, *arguments).decode("utf-8", "replace").strip()


def _git(folder: Path, *arguments: str) -> bytes:
    command: Sequence[str] = ("git", "-C", str(folder), "--no-optional-locks", *arguments)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise _GitSilent("git is not installed.") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _GitSilent(f"git does not answer ({type(error).__name__}).") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _GitSilent(f"git says: {said[-1][:300] if said else done.returncode}")
    return done.stdout
