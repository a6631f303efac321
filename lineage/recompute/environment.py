"""Building a recorded environment again, from its lock alone.

The package index is the only network of a recomputation, and only here. Wheels are unpacked and
nothing of them is run: what an interpreter of such an environment would start by itself (a ``.pth``
file) starts in the sandbox alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lineage.domain.lock import LockInvalid, Pin, parse_lock
from lineage.errors import LineageError
from lineage.recompute.errors import RecomputeError
from lineage.recompute.limits import GIB
from lineage.recompute.programs import Done, run_program
from muniment.attest.digest import canonical_json
from muniment.installed import normalised_name, tree_sha256_of
from muniment.lineage_file import LineageFile

BUILD_SECONDS: Final = 1800
_MAX_FILE_BYTES: Final = 8 * GIB
# How to reach the index, and nothing else of the worker's environment.
_PASSED: Final = (
    *("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
_UNREACHABLE: Final = re.compile(
    r"error sending request|dns error|could not connect|connection (refused|reset)|timed out"
    r"|Network connectivity is disabled|tls handshake|status server error",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(r"3\.\d{1,2}(\.\d{1,3})?", re.ASCII)


class PackageIndexUnavailable(LineageError):
    """The package index does not answer, of which nothing may be concluded."""

    code = "package_index_unavailable"


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Where packages come from.

    Attributes:
        index_url: the one index. cache: a folder of uv's, of one registry source alone.
    """

    index_url: str
    cache: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """A rebuilt environment; nobody writes into it.

    Attributes:
        folder: of the virtual environment. python: its interpreter. python_version: of what that
            is a link to, ``3.11.7``.
    """

    folder: Path
    python: Path
    python_version: str
    is_cached: bool


def build_environment(
    capture: LineageFile,
    lock: bytes,
    *,
    store: Path,
    packages: PackageSource,
    cancelled: Callable[[], bool] = lambda: False,
) -> Environment:
    """Return the environment that a lock names, from `store` where it was built before.

    Two jobs may build the same at once, and a job may be killed: whole folders are moved into
    place, and what stands there is complete.

    Args:
        cancelled: is asked several times a second; true ends it.

    Raises:
        RecomputeError: of the leg ``environment``; its sentence names the package.
        PackageIndexUnavailable: it may be tried again.
        RecomputationCancelled: it was cancelled.
    """
    pins = _pins(capture, lock)
    base = _interpreter(capture)
    wanted = {name: tree for name, tree in _trees(capture).items() if name in _names(pins)}
    key = hashlib.sha256(
        canonical_json(
            {"lines": sorted(pin.as_line() for pin in pins), "python": str(base.path), "v": 1}
        )
    ).hexdigest()
    folder = store / key
    is_cached = folder.is_dir()
    if not is_cached:
        _build(folder, pins, base, packages, cancelled)
    _require_trees(folder, wanted)
    return Environment(folder, folder / "bin" / "python", base.version, is_cached)


@dataclass(frozen=True, slots=True)
class _Interpreter:
    path: Path
    version: str


def _pins(capture: LineageFile, lock: bytes) -> tuple[Pin, ...]:
    recorded = capture.environment.lock_sha256
    if not recorded:
        raise _error("no_lock", "The record names no lock file.")
    if hashlib.sha256(lock).hexdigest() != recorded:
        raise _error("lock_changed", "The lock file is not the one that was recorded.")
    try:
        return parse_lock(lock)
    except LockInvalid as error:
        raise _error("lock_invalid", str(error)) from error


def _interpreter(capture: LineageFile) -> _Interpreter:
    wanted = capture.environment.python
    if capture.environment.implementation not in ("", "cpython"):
        raise _error(
            "implementation",
            f"It was trained with {capture.environment.implementation[:40]}, and only CPython is "
            "built again.",
        )
    if not _VERSION.fullmatch(wanted):
        raise _error("no_python", "The record does not say which Python it was.")
    # The version that it was, where it is here; else another of the same minor version.
    for version in dict.fromkeys((wanted, ".".join(wanted.split(".")[:2]))):
        found = _uv(["python", "find", "--system", version], {})
        if found.exit_status == 0:
            path = Path(os.path.realpath(found.output.decode().strip()))
            said = subprocess.run(
                [path, "-I", "-c", "import platform; print(platform.python_version())"],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            return _Interpreter(path, said.stdout.strip())
    raise _error(
        "python_missing", f"It was trained with Python {wanted}, which is not on this machine."
    )


def _build(
    folder: Path,
    pins: Sequence[Pin],
    base: _Interpreter,
    packages: PackageSource,
    cancelled: Callable[[], bool],
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder.parent)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        target = building / "environment"
        made = _uv(["venv", "--relocatable", "--python", str(base.path), str(target)], {})
        if made.exit_status != 0:
            raise _error("venv", f"The environment cannot be made: {_last(made.errors)}")
        _install(target, pins, packages, cancelled)
        _compile(target, folder, base, cancelled)
        _make_read_only(target)
        with suppress(FileExistsError, OSError):
            target.rename(folder)  # whoever was faster built the same
            folder.chmod(0o555)
        if not folder.is_dir():
            raise _error("store", "The built environment cannot be moved into place.")
    finally:
        _remove(building)


def _install(
    target: Path, pins: Sequence[Pin], packages: PackageSource, cancelled: Callable[[], bool]
) -> None:
    lines = target.parent / "requirements.txt"
    lines.write_text("".join(f"{pin.as_line()}\n" for pin in pins), encoding="utf-8")
    arguments = [
        *("pip", "install", "--python", str(target / "bin" / "python")),
        *("--no-deps", "--only-binary", ":all:", "--link-mode", "copy", "--quiet"),
        *("--default-index", packages.index_url, "--requirements", str(lines)),
        *(["--require-hashes"] if all(pin.hashes for pin in pins) else []),
    ]
    done = _uv(arguments, {"UV_CACHE_DIR": str(packages.cache)}, cancelled)
    if done.exit_status == 0:
        return
    said = done.errors.decode("utf-8", errors="replace")
    if _UNREACHABLE.search(said):
        raise PackageIndexUnavailable("The package index does not answer. It is tried again.")
    blamed = _blamed(said, pins)
    named = (
        f"{blamed.name} {blamed.version} cannot be installed" if blamed else "It cannot be built"
    )
    raise _error("package", f"{named}: {_last(done.errors)}")


def _compile(target: Path, folder: Path, base: _Interpreter, cancelled: Callable[[], bool]) -> None:
    """Compile what is imported: afterwards nobody can write beside it.

    By the interpreter that the environment was made from: its own would run what a package asks
    to be run at every start. Code that cannot be compiled says so when it is imported.
    """
    run_program(
        [
            *(str(base.path), "-I", "-S", "-m", "compileall", "-q", "-j", "0"),
            *("-s", str(target), "-p", str(folder), str(target / "lib")),
        ],
        environment=_environment({}),
        folder=target,
        seconds=BUILD_SECONDS,
        file_bytes=_MAX_FILE_BYTES,
        cancelled=cancelled,
    )


def _require_trees(folder: Path, wanted: Mapping[str, str]) -> None:
    for dist_info in sorted(folder.glob("lib/python3*/site-packages/*.dist-info")):
        name = normalised_name(dist_info.name.removesuffix(".dist-info").rpartition("-")[0])
        recorded = wanted.get(name)
        if recorded and tree_sha256_of(dist_info) != recorded:
            raise _error(
                "package_differs",
                f"{name} installs other files than it did when the version was trained.",
            )


def _uv(
    arguments: Sequence[str],
    more: Mapping[str, str],
    cancelled: Callable[[], bool] = lambda: False,
) -> Done:
    from uv import find_uv_bin

    with tempfile.TemporaryDirectory(prefix="muniment-uv-") as home:
        done = run_program(
            [find_uv_bin(), "--no-config", "--no-python-downloads", *arguments],
            environment=_environment({"HOME": home, "UV_NO_PROGRESS": "1", **more}),
            folder=Path(home),
            seconds=BUILD_SECONDS,
            file_bytes=_MAX_FILE_BYTES,
            cancelled=cancelled,
        )
    if done.exit_status is None:
        raise PackageIndexUnavailable("Installing took more than half an hour.")
    return done


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**{name: os.environ[name] for name in _PASSED if name in os.environ}, **more}


def _blamed(said: str, pins: Sequence[Pin]) -> Pin | None:
    """Return the pin that an installer's complaint names."""
    exact = [pin for pin in pins if f"{pin.name}=={pin.version}" in said]
    named = [pin for pin in pins if re.search(rf"(?<![\w-]){re.escape(pin.name)}(?![\w-])", said)]
    return next(iter([*exact, *named]), None)


def _last(errors: bytes) -> str:
    """Return what an installer said, in one line, without what it draws around it."""
    said = errors.decode("utf-8", errors="replace")
    words = re.sub(r"[×╰─▶│├]|hint:|error:", " ", said).split()
    return " ".join(words)[:400] or "it did not say why."


def _names(pins: Sequence[Pin]) -> frozenset[str]:
    return frozenset(pin.name for pin in pins)


def _trees(capture: LineageFile) -> dict[str, str]:
    return {
        normalised_name(package.name): package.tree_sha256
        for package in capture.environment.packages
    }


def _make_read_only(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444)


def _remove_abandoned(store: Path) -> None:
    """Remove what jobs left that were killed: nobody builds for so long."""
    for path in store.glob(".building-*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - 3 * BUILD_SECONDS:
                _remove(path)


def _remove(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def _error(code: str, message: str) -> RecomputeError:
    return RecomputeError(message, code=f"environment.{code}", leg="environment")
