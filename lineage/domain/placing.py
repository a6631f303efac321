"""Where a training's data sets stand inside the sandbox, and how its command is called there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from muniment.datasets.reference import DatasetReference
from muniment.lineage_file import LineageFile

# No folder that machines have: environments are mounted where they stand.
WORK: Final = PurePosixPath("/job")
CODE: Final = WORK / "code"
DATA: Final = WORK / "data"
_PYTHON: Final = re.compile(r"python(3(\.\d{1,2})?)?", re.ASCII)
# A mount over these would change what the system inside is, or hide what keeps it closed.
_SYSTEM: Final = (
    *(PurePosixPath("/", name) for name in ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64")),
    *(PurePosixPath("/", name) for name in ("libx32", "proc", "run", "sbin", "sys", "usr")),
    *(WORK, PurePosixPath("/muniment")),
)


@dataclass(frozen=True, slots=True)
class Placed:
    """One data set as the program finds it.

    Attributes:
        target: where it stands inside.
        names: what the program may call it: its place and its address.
    """

    reference: DatasetReference
    target: PurePosixPath
    names: tuple[str, ...]

    def is_same(self, other: DatasetReference) -> bool:
        """Say whether another reference means these very bytes at this very place."""
        mine = self.reference
        return (mine.place, mine.uri, mine.digest) == (other.place, other.uri, other.digest)


def place_datasets(
    references: Iterable[DatasetReference], reserved: Iterable[PurePosixPath]
) -> tuple[Placed, ...]:
    """Return where each data set stands: at its recorded place where it can, else in a folder.

    Law: none stands in another, or at a part of the system; one that has two roles stands once.

    Args:
        reserved: what is mounted besides, the environment and its interpreter.
    """
    placed: list[Placed] = []
    taken = list(reserved)
    for number, reference in enumerate(references):
        target = _recorded_place(reference.place)
        names = tuple(name for name in (reference.place, reference.uri) if name)
        same = [one for one in placed if one.is_same(reference)]
        if same:
            placed.append(Placed(reference, same[0].target, names))
            continue
        if target is None or any(_overlap(target, other) for other in taken):
            name = PurePosixPath(reference.place or reference.uri.split("?")[0]).name
            plain = name if re.fullmatch(r"[\w.+ -]+", name) and name.strip(".") else "data"
            target = DATA / str(number) / plain
        taken.append(target)
        placed.append(Placed(reference, target, names))
    return tuple(placed)


def starting_folder(capture: LineageFile) -> PurePosixPath | None:
    """Return where the command starts; None where the record names no folder of the code."""
    return _below(CODE, capture.command.folder)


def import_roots(capture: LineageFile) -> tuple[PurePosixPath, ...]:
    """Return the folders of the code that are on the import path; what lies outside is not."""
    roots = [_below(CODE, root) for root in capture.command.import_roots]
    return tuple(root for root in roots if root is not None)


def is_interpreter(argument: str) -> bool:
    """Say whether a recorded command names Python itself, by whatever path."""
    return _PYTHON.fullmatch(PurePosixPath(argument).name) is not None


def local_arguments(arguments: Iterable[str], placed: Iterable[Placed]) -> tuple[str, ...]:
    """Return arguments with each data set that does not stand where it was by where it does.

    Both ``URI`` and ``--data=URI`` are replaced, and nothing else of an argument.
    """
    moved: Mapping[str, str] = {
        name: str(one.target)
        for one in placed
        for name in one.names
        if one.target not in (PurePosixPath(name), CODE / name)
    }

    def local(argument: str) -> str:
        option, equals, value = argument.partition("=")
        if argument in moved:
            return moved[argument]
        return f"{option}={moved[value]}" if equals and value in moved else argument

    return tuple(local(argument) for argument in arguments)


def may_stand_at(target: PurePosixPath) -> bool:
    """Say whether a mount may stand at an absolute path: no part of the system, nothing odd."""
    return (
        target.parts[:1] == ("/",)
        and len(target.parts) > 1
        and ".." not in target.parts
        and not any(target == place or place in target.parents for place in _SYSTEM)
    )


def _recorded_place(place: str) -> PurePosixPath | None:
    path = PurePosixPath(place)
    if not place:
        return None
    if path.is_absolute():
        return path if may_stand_at(path) else None
    inside = _below(CODE, place)
    return None if inside == CODE or (inside and inside.parts[3] == ".git") else inside


def _below(folder: PurePosixPath, relative: str) -> PurePosixPath | None:
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or not relative.isprintable():
        return None
    return folder / path


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one == other or one in other.parents or other in one.parents
