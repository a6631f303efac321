"""The environment of a command: its own interpreter is asked, not ours."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from muniment import installed
from muniment.capture.git import without_credentials
from muniment.capture.requirements import inexact_requirements
from muniment.lineage_file import CapturedEnvironment, Fault, Package

_PROBE_SECONDS: Final = 20
_LOCK_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SeenEnvironment:
    """What the command's interpreter said.

    Attributes:
        lock: one ``name==version`` a line, sorted, with the hashes of its archives where a
            ``uv.lock`` names them.
        uv_lock: the bytes of the project's ``uv.lock``; empty where there is none.
        import_roots: folders of the repository that editable installs put on the import path.
        faults: what could not be recorded.
    """

    environment: CapturedEnvironment
    lock: bytes = b""
    uv_lock: bytes = b""
    import_roots: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


class Probe:
    """Asks an interpreter what it is, beside the command that runs meanwhile.

    Args:
        interpreter: how to start it; empty where it is not known.
    """

    def __init__(
        self,
        interpreter: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._started: subprocess.Popen[bytes] | None = None
        if not interpreter:
            return
        try:
            self._started = subprocess.Popen(
                [*interpreter, "-c", Path(installed.__file__).read_text(encoding="utf-8")],
                cwd=folder,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # A Ctrl-C at the terminal is meant for the command.
                start_new_session=True,
            )
        except OSError:
            return

    def answer(self) -> Mapping[str, Any] | None:
        """Return what it said as JSON; None where it said nothing of use."""
        if self._started is None:
            return None
        try:
            output, _ = self._started.communicate(timeout=_PROBE_SECONDS)
            said = json.loads(output)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            self.close()
            return None
        return said if isinstance(said, dict) else None

    def close(self) -> None:
        """End it, if it has not ended."""
        if self._started is not None and self._started.poll() is None:
            self._started.kill()
            self._started.communicate()


def describe_environment(
    said: Mapping[str, Any], *, folder: Path, root: Path | None
) -> SeenEnvironment:
    """Describe an environment from what its interpreter said.

    Args:
        said: as `muniment.installed.describe_interpreter` says it.
        folder: where the command runs. root: of the repository, None where there is none.
    """
    uv_lock, hashes = _uv_lock(folder, root)
    packages, roots, inexact, strangers = [], [], [], []
    lines = []
    for one in said["distributions"]:
        name, version = str(one["name"]), str(one["version"])
        kind, reason = _origin(one, root)
        if kind == "own":
            roots += _roots(one, root)
            continue
        if kind == "elsewhere":
            # What no index has cannot be pinned by a version.
            inexact.append(f"{name}: {reason}")
            continue
        packages.append(Package(name, version, str(one["tree_sha256"])))
        archives = hashes.get((name, version), ())
        if uv_lock and not archives:
            strangers.append(f"{name} {version}")
        lines.append(" ".join([f"{name}=={version}", *(f"--hash={one}" for one in archives)]))
    faults = []
    if strangers:
        faults.append(
            f"Installed, but not in uv.lock: {', '.join(strangers[:5])}"
            f"{f' and {len(strangers) - 5} more' if len(strangers) > 5 else ''}."
        )
    lock = "".join(f"{line}\n" for line in lines).encode()
    return SeenEnvironment(
        environment=CapturedEnvironment(
            python=str(said["python"]),
            implementation=str(said["implementation"]),
            platform=str(said["platform"]),
            lock_sha256=hashlib.sha256(lock).hexdigest(),
            uv_lock_sha256=hashlib.sha256(uv_lock).hexdigest() if uv_lock else "",
            packages=tuple(packages),
            inexact=(*inexact, *inexact_requirements(folder, root)),
        ),
        lock=lock,
        uv_lock=uv_lock,
        import_roots=tuple(dict.fromkeys(roots)),
        faults=tuple(Fault(fault, "environment") for fault in faults),
    )


def _origin(one: Mapping[str, Any], root: Path | None) -> tuple[str, str]:
    """Return ``index``, ``own`` or ``elsewhere``, and for the last why it pins nothing."""
    origin = one.get("origin")
    if not isinstance(origin, dict):
        return "index", ""
    url = str(origin.get("url", ""))
    place = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
    is_editable = isinstance(origin.get("dir_info"), dict) and origin["dir_info"].get("editable")
    if is_editable:
        if place is not None and root is not None and place.is_relative_to(root):
            return "own", ""
        return "elsewhere", f"an editable install of {place or without_credentials(url)}."
    if isinstance(origin.get("vcs_info"), dict):
        commit = str(origin["vcs_info"].get("commit_id", ""))
        return "elsewhere", f"installed from {without_credentials(url)} at {commit or '?'}."
    return "elsewhere", f"installed from {without_credentials(url)}, not from a package index."


def _roots(one: Mapping[str, Any], root: Path | None) -> list[str]:
    if root is None:
        return []
    place = unquote(urlsplit(str(one["origin"]["url"])).path)
    named = [str(path) for path in one.get("roots") or ()] or [place]
    relative = [Path(path) for path in named if Path(path).is_relative_to(root)]
    return [path.relative_to(root).as_posix().removeprefix(".") for path in relative]


def _uv_lock(
    folder: Path, root: Path | None
) -> tuple[bytes, Mapping[tuple[str, str], Sequence[str]]]:
    """Return the nearest ``uv.lock`` up to the root, and (name, version) → archive hashes."""
    places = [folder]
    if root is not None:
        places += [place for place in folder.parents if place.is_relative_to(root)]
    for place in places:
        try:
            with (place / "uv.lock").open("rb") as file:
                content = file.read(_LOCK_BYTES)
            return content, _archive_hashes(content)
        except (OSError, ValueError):
            continue
    return b"", {}


def _archive_hashes(content: bytes) -> dict[tuple[str, str], list[str]]:
    found = {}
    for package in tomllib.loads(content.decode("utf-8")).get("package", ()):
        archives = [*package.get("wheels", ()), package.get("sdist") or {}]
        hashes = [str(one["hash"]) for one in archives if "hash" in one]
        key = (installed.normalised_name(str(package["name"])), str(package.get("version", "")))
        found[key] = [one for one in hashes if one.startswith("sha256:")]
    return found
