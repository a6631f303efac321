"""The code at its commit, from allowed remotes alone, with nothing of it run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lineage.domain.remotes import Remote, RemoteRefused, allowed_remote
from lineage.recompute.errors import RecomputeError
from lineage.recompute.limits import GIB
from lineage.recompute.sandbox import printable

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_FETCH_SECONDS: Final = 900
_LOCAL_SECONDS: Final = 120
MAX_PACK_BYTES: Final = 4 * GIB
MAX_TREE_BYTES: Final = 4 * GIB
MAX_TREE_FILES: Final = 100_000
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


def check_out(remote: str, commit: str, destination: Path, *, allowed: Sequence[str]) -> None:
    """Write the tree of a commit into a folder, with a repository that holds this commit.

    Links in it may point anywhere: only what runs in the sandbox may follow them.

    Args:
        remote: as it was recorded.
        commit: all of its 40 or 64 digits.
        destination: does not exist yet, or is empty.
        allowed: prefixes of remotes.

    Raises:
        RecomputeError: of the leg ``code``: ``code.remote_refused``, ``code.unreachable``,
            ``code.commit_missing``, ``code.submodules``, ``code.too_large``, ``code.broken``.
    """
    try:
        address = allowed_remote(remote, allowed)
    except RemoteRefused as error:
        raise _error("remote_refused", f"The code is not fetched: {error}.") from error
    if _COMMIT.fullmatch(commit) is None:
        raise _error("commit_missing", f"{commit[:80]!r} is not the whole name of a commit.")
    with TemporaryDirectory(prefix="muniment-git-") as home:
        git = _Git(Path(home), destination, address)
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

    def __init__(self, home: Path, repository: Path, address: Remote) -> None:
        settings = home / "settings"
        directory = address.path if address.scheme == "file" else str(repository)
        settings.write_text(
            _SETTINGS.format(scheme=address.scheme, directory=_quoted(directory), ssh=_SSH),
            encoding="utf-8",
        )
        self._repository = repository
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
            RecomputeError: ``code.broken``: it failed.
        """
        done = self._run(arguments)
        if isinstance(done, str):
            raise _error("broken", f"The code cannot be checked out: {done}")
        return done.stdout.decode("utf-8", errors="surrogateescape")

    def attempt(self, *arguments: str) -> str | None:
        """Return None where git succeeds, else why it did not."""
        done = self._run(arguments)
        return done if isinstance(done, str) else None

    def _run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes] | str:
        seconds = _FETCH_SECONDS if arguments[0] == "fetch" else _LOCAL_SECONDS
        place = () if arguments[0] == "init" else ("-C", str(self._repository))
        try:
            done = subprocess.run(
                ["prlimit", f"--fsize={MAX_PACK_BYTES}", "--core=0", "git", *place, *arguments],
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"git did not come to an end within {seconds} seconds"
        if done.returncode == 0:
            return done
        said = [line for line in printable(done.stderr).splitlines() if line.strip()]
        return (said[0] if said else f"git ended with status {done.returncode}")[:300]


def _format(commit: str) -> tuple[str, ...]:
    return ("--object-format=sha256",) if len(commit) == 64 else ()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _error(code: str, sentence: str) -> RecomputeError:
    return RecomputeError(sentence, code=f"code.{code}", leg="code")
