"""Which requirements of a project pin exactly, and which do not."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_FILES: Final = 50
_PIN = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*===?\s*[A-Za-z0-9][A-Za-z0-9.!+_-]*"
    r"(\s*;.*)?(\s+--hash=\S+)*"
)
_COMMENT = re.compile(r"(^|\s)#.*$")
# Options that name no requirement; the files that two of them name are read by themselves.
_OPTIONS: Final = ("-r", "--requirement", "-c", "--constraint", "-i", "--", "-f")


def inexact_requirements(folder: Path, root: Path | None) -> tuple[str, ...]:
    """Name each requirement of a project that could be met by another version tomorrow.

    Read are ``requirements*.txt``, and ``pyproject.toml`` where no ``uv.lock`` lies beside it, in
    the folder of the command and at the root of the repository.

    Returns:
        one sentence each: the file, the line, and what is wrong with it.
    """
    found: list[str] = []
    for place in dict.fromkeys(filter(None, (folder, root))):
        for path in sorted(place.glob("requirements*.txt"))[:_MAX_FILES]:
            found += [f"{path.name}: {line!r} {fault}" for line, fault in _loose_lines(_text(path))]
        project = place / "pyproject.toml"
        if project.is_file() and not (place / "uv.lock").is_file():
            found += [
                f"{project.name}: {line!r} {fault}" for line, fault in _loose_project(project)
            ]
    return tuple(dict.fromkeys(found))


def fault_of(line: str, *, is_own: bool = False) -> str:
    """Say what is wrong with one requirement; empty where it is an exact pin or an option.

    Args:
        is_own: an editable install of the project itself is none.
    """
    if line.startswith(("-e", "--editable")):
        target = line.split(maxsplit=1)[-1].removeprefix("--editable=")
        if is_own and target.split("[")[0] in (".", "./"):
            return ""
        return "is an editable install: its files are in no archive."
    if line.startswith(_OPTIONS):
        return ""
    if re.search(r"(?:^|[\s@])(?:git|hg|svn|bzr)\+", line):
        return "is fetched from a version control system."
    if "://" in line or line.startswith((".", "/")) or " @ " in line:
        return "names a place instead of a version."
    if _PIN.fullmatch(line) and "*" not in line:
        return ""
    named = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*(\S*)", line)
    if named is not None and named[2][:1] in "<>~!=":
        return "allows more than one version." if named[2] else "names no version."
    return "names no version." if named is not None else "is no exact pin."


def _loose_lines(text: str) -> Iterator[tuple[str, str]]:
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = _COMMENT.sub("", raw).strip()
        fault = fault_of(line, is_own=True) if line else ""
        if fault:
            yield line[:300], fault


def _loose_project(path: Path) -> Iterator[tuple[str, str]]:
    try:
        project: Any = tomllib.loads(_text(path)).get("project", {})
    except tomllib.TOMLDecodeError:
        yield path.name, "is no TOML."
        return
    listed = project.get("dependencies", ()) if isinstance(project, Mapping) else ()
    for line in listed if isinstance(listed, list) else ():
        fault = fault_of(line.strip()) if isinstance(line, str) else "is no requirement."
        if fault:
            yield str(line)[:300], fault


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
