"""The code at its commit, from allowed remotes alone, with nothing of it run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lineage.domain.remotes import Remote, RemoteRefused, allowed_remote
from lineage.recompute.errors import RecomputeError
from lineage.recompute.limits import GIB, MIB
from lineage.recompute.programs import Done, run_program
from lineage.recompute.sandbox import printable

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_FETCH_SECONDS: Final = 900
_LOCAL_SECONDS: Final = 120
MAX_PACK_BYTES: Final = 4 * GIB
MAX_TREE_BYTES: Final = 4 * GIB
MAX_TREE_FILES: Final = 100_000
_MAX_LISTING: Final = 64 * MIB
_DEEPEST: Final = 50
# All that git is told: neither the system's settings nor the user's, and nothing that runs a
# program, asks anybody, or leads to another address.
_SETTINGS: Final = """
[core]
	hooksPath = /dev/null
	fsmonitor = false
	attributesFile = /dev/null
	askPass = true
	sshCommand = {ssh}
[credential]
	helper =
[transfer]
	fsckObjects = true
[fetch]
	recurseSubmodules = false
[submodule]
	recurse = false
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 60
[gc]
	auto = 0
[advice]
	detachedHead = false
[protocol]
	allow = never
[protocol "{scheme}"]
	allow = always
[safe]
	directory = {directory}
"""
_SSH: Final = "ssh " + " ".join(
    f"-o {option}"
    for option in (
        *("BatchMode=yes", "StrictHostKeyChecking=yes", "PermitLocalCommand=no"),
        *("ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes"),
    )
)


def check_out(
    remote: str,
    commit: str,
    destination: Path,
    *,
    allowed: Sequence[str],
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Write the tree of a commit into a folder, with a repository that holds this commit.

    Links in it may point anywhere: only what runs in the sandbox may follow them.

    Args:
        remote: as it was recorded.
        commit: all of its 40 or 64 digits.
        destination: does not exist yet, or is empty.
        allowed: prefixes of remotes.
        cancelled: is asked several times a second; true ends it.

    Raises:
        RecomputeError: of the leg ``code``: ``code.remote_refused``, ``code.unreachable``,
            ``code.commit_missing``, ``code.submodules``, ``code.too_large``, ``code.broken``.
        RecomputationCancelled: it was cancelled.
    """
    try:
        address = allowed_remote(remote, allowed)
    except RemoteRefused as error:
        raise _error("remote_refused", f"The code is not fetched: {error}.") from error
    if _COMMIT.fullmatch(commit) is None:
        raise _error("commit_missing", f"{commit[:80]!r} is not the whole name of a commit.")
    with TemporaryDirectory(prefix="muniment-git-") as home:
        git = _Git(Path(home), destination, address, cancelled)
        git.run("init", "--quiet", "--template=", *_format(commit), str(destination))
        _fetch(git, address, commit)
        _require_plain_tree(git, commit)
        git.run("checkout", "--quiet", "--detach", "--force", commit, "--")
        if git.run("rev-parse", "HEAD").strip() != commit:
            raise _error("broken", f"The repository at {address} gave another commit.")
        (destination / ".git/FETCH_HEAD").unlink(missing_ok=True)


def _fetch(git: _Git, address: Remote, commit: str) -> None:
    options = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance")
    if git.attempt(*options, "--depth=1", "--", str(address), commit) is not None:
        # A server that gives no commit by its name, or does not have this one: all that it has.
        everything = ("+refs/heads/*:refs/fetched/heads/*", "+refs/tags/*:refs/fetched/tags/*")
        failure = git.attempt(*options, "--", str(address), *everything)
        if failure is not None:
            raise _error("unreachable", f"The code cannot be fetched from {address}: {failure}")
    # A tag or a file has a name that looks the same.
    is_there = git.attempt("cat-file", "-e", commit) is None
    if not is_there or git.run("cat-file", "-t", commit).strip() != "commit":
        raise _error(
            "commit_missing",
            f"There is no commit {commit} in {address}: it was never pushed, or was removed.",
        )


def _require_plain_tree(git: _Git, commit: str) -> None:
    total, count = 0, 0
    modules = []
    for entry in git.run("ls-tree", "-r", "-l", "-z", "--full-tree", commit).split("\0"):
        if not entry:
            continue
        described, _, name = entry.partition("\t")
        mode, _, _, size = described.split()
        if name.count("/") > _DEEPEST:
            raise _error("too_large", f"The code has folders that are too deep: {name[:100]}")
        if mode == "160000":
            modules.append(name[:100])
        else:
            total, count = total + int(size), count + 1
    if modules:
        raise _error(
            "submodules",
            f"The code has submodules ({', '.join(modules[:3])}), which are not fetched: their "
            "addresses are whatever the repository says. Commit what the training needs.",
        )
    if total > MAX_TREE_BYTES or count > MAX_TREE_FILES:
        raise _error("too_large", f"The code has {count} files with {total} bytes: too many.")


class _Git:
    """Runs git in one repository, with an environment of its own."""

    def __init__(
        self, home: Path, repository: Path, address: Remote, cancelled: Callable[[], bool]
    ) -> None:
        settings = home / "settings"
        directory = address.path if address.scheme == "file" else str(repository)
        settings.write_text(
            _SETTINGS.format(scheme=address.scheme, directory=_quoted(directory), ssh=_SSH),
            encoding="utf-8",
        )
        self._repository, self._cancelled = repository, cancelled
        self._environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(settings),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": address.scheme,
            "GIT_CEILING_DIRECTORIES": str(repository.parent),
        }
        if shutil.which("git", path=self._environment["PATH"]) is None:
            raise _error("no_git", "git was not found: install the system package git.")

    def run(self, *arguments: str) -> str:
        """Return what git says.

        Raises:
            RecomputeError: ``code.broken``: it failed; ``code.too_large``: it says too much.
        """
        done = self._run(arguments)
        if done.exit_status != 0:
            code = "too_large" if done.was_too_large else "broken"
            raise _error(code, f"The code cannot be checked out: {_why(done, arguments)}")
        return done.output.decode("utf-8", errors="surrogateescape")

    def attempt(self, *arguments: str) -> str | None:
        """Return None where git succeeds, else why it did not."""
        done = self._run(arguments)
        return None if done.exit_status == 0 else _why(done, arguments)

    def _run(self, arguments: Sequence[str]) -> Done:
        place = () if arguments[0] == "init" else ("-C", str(self._repository))
        return run_program(
            ["git", *place, *arguments],
            environment=self._environment,
            folder=Path("/"),
            seconds=_seconds(arguments),
            # A tree of a few bytes may stand for a listing without end.
            file_bytes=_MAX_LISTING if arguments[0] == "ls-tree" else MAX_PACK_BYTES,
            cancelled=self._cancelled,
        )


def _seconds(arguments: Sequence[str]) -> int:
    return _FETCH_SECONDS if arguments[0] == "fetch" else _LOCAL_SECONDS


def _why(done: Done, arguments: Sequence[str]) -> str:
    if done.exit_status is None:
        return f"git did not come to an end within {_seconds(arguments)} seconds"
    if done.was_too_large:
        return "it holds more files, or larger ones, than may be"
    said = [line for line in printable(done.errors).splitlines() if line.strip()]
    return (said[0] if said else f"git ended with status {done.exit_status}")[:300]


def _format(commit: str) -> tuple[str, ...]:
    return ("--object-format=sha256",) if len(commit) == 64 else ()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _error(code: str, sentence: str) -> RecomputeError:
    return RecomputeError(sentence, code=f"code.{code}", leg="code")
