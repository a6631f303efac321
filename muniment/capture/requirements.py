"""Which requirements of a project pin exactly, and which do not."""

from __future__ import annotations

import os
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
# Options that name no requirement; the files that the first two name are read too.
_OPTIONS: Final = ("-r", "--requirement", "-c", "--constraint", "-i", "--", "-f")
_OTHER_FILE = re.compile(r"(?:-r\s*|--requirement(?:\s+|=))(?P<name>\S+)")


def inexact_requirements(folder: Path, root: Path | None) -> tuple[str, ...]:
    """Name each requirement of a project that could be met by another version tomorrow.

    Read are ``requirements*.txt`` with the files of the repository that they name, and
    ``pyproject.toml`` (with its extras and groups) where no ``uv.lock`` lies beside it, in the
    folder of the command and at the root of the repository.

    Returns:
        one sentence each: the file, the line, and what is wrong with it.
    """
    found: list[str] = []
    read: set[Path] = set()
    for place in dict.fromkeys(filter(None, (folder, root))):
        for path in sorted(place.glob("requirements*.txt"))[:_MAX_FILES]:
            found += _loose_files(path, root or folder, read)
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


def _loose_files(path: Path, within: Path, read: set[Path]) -> Iterator[str]:
    """Name what is loose in a file and, once each, in those that it names within a folder."""
    whole = path.resolve()
    if whole in read or len(read) >= _MAX_FILES:
        return
    read.add(whole)
    called = path.relative_to(within).as_posix() if path.is_relative_to(within) else path.name
    for line in _lines(_text(path)):
        fault = fault_of(line, is_own=True)
        other = _OTHER_FILE.fullmatch(line)
        if other is not None:
            named = Path(os.path.normpath(path.parent / other["name"]))
            # A link leads out of the repository as well as a path does.
            is_here = named.is_file() and named.resolve().is_relative_to(within.resolve())
            if is_here:
                yield from _loose_files(named, within, read)
                continue
            fault = "names a file that is not in the repository."
        if fault:
            yield f"{called}: {line[:300]!r} {fault}"


def _lines(text: str) -> Iterator[str]:
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = _COMMENT.sub("", raw).strip()
        if line:
            yield line


def _loose_project(path: Path) -> Iterator[tuple[str, str]]:
    try:
        said: Any = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError:
        yield path.name, "is no TOML."
        return
    project = said.get("project", {})
    project = project if isinstance(project, Mapping) else {}
    lists = [
        project.get("dependencies", ()),
        *_members(project.get("optional-dependencies")),
        *_members(said.get("dependency-groups")),
    ]
    for line in (line for listed in lists if isinstance(listed, list) for line in listed):
        if isinstance(line, Mapping) and set(line) == {"include-group"}:
            continue  # PEP 735: that group is read by itself
        fault = fault_of(line.strip()) if isinstance(line, str) else "is no requirement."
        if fault:
            yield str(line)[:300], fault


def _members(table: object) -> list[object]:
    return list(table.values()) if isinstance(table, Mapping) else []


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
