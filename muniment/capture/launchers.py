"""Finding the Python in a command: behind ``uv run`` and its like, or in a script's first line."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# Each is followed by `run`, its own options, and the program.
_LAUNCHERS: Final = (
    "uv",
    "poetry",
    "pdm",
    "pipenv",
    "hatch",
    "rye",
    "conda",
    "mamba",
    "micromamba",
)
_SHEBANG_BYTES: Final = 1_000


def split_launcher(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split ``uv run --frozen python train.py`` into the launcher and the program.

    Law: the launcher before the program's first word, and then ``-c …``, asks the program's own
    Python. ``uv run train.py`` and ``uv run -m train`` mean a ``python`` that is not written.

    Returns:
        an empty launcher where there is none, or where its program is no Python that is named.
    """
    whole = tuple(arguments)
    if len(whole) < 3 or Path(whole[0]).name not in _LAUNCHERS or whole[1] != "run":
        return (), whole
    is_uv = Path(whole[0]).name == "uv"
    for place, word in enumerate(whole[2:], start=2):
        if is_uv and word in ("-s", "--script"):
            break  # an environment of that script's own
        if whole[place - 1] in ("-p", "--python"):
            continue  # which Python the launcher is to use
        if is_python(word):
            return whole[:place], whole[place:]
        if is_uv and word in ("-m", "--module"):
            return whole[:place], ("python", "-m", *whole[place + 1 :])
        if is_uv and word.endswith(".py"):
            return whole[:place], ("python", *whole[place:])
    return (), whole


def interpreter_of(arguments: Sequence[str], *, search_path: str | None = None) -> tuple[str, ...]:
    """Return how to start the Python that a command runs on; empty where it cannot be told.

    ``python …`` is that interpreter, behind a launcher as well; a script has the one that its
    first line names.

    Args:
        search_path: instead of this process's ``PATH``.
    """
    launcher, command = split_launcher(arguments)
    if launcher:
        return (*launcher, command[0]) if shutil.which(launcher[0], path=search_path) else ()
    program = shutil.which(command[0], path=search_path) or ""
    # A project of MLflow's runs in an environment that `mlflow run` makes for it.
    if not program or (Path(program).name, *command[1:2]) == ("mlflow", "run"):
        return ()
    if is_python(command[0]):
        return (program,)
    named = _named_in(Path(program), search_path)
    return (named,) if named and is_python(named) else ()


def is_python(program: str) -> bool:
    """Say whether a program is Python by its name, whatever its path."""
    return Path(program).name.lower().startswith(("python", "pypy"))


def _named_in(script: Path, search_path: str | None) -> str:
    try:
        with script.open("rb") as file:
            first, _, rest = file.read(_SHEBANG_BYTES).partition(b"\n")
    except OSError:
        return ""
    if not first.startswith(b"#!"):
        return ""
    words = first[2:].decode("utf-8", "replace").split()
    # An interpreter whose path is too long for a first line stands in the second.
    if words[:1] == ["/bin/sh"] and rest.startswith(b"'''exec'"):
        words = rest.partition(b"\n")[0].decode("utf-8", "replace").split()[1:]
        words = [words[0].strip("\"'")] if words else []
    if words and Path(words[0]).name == "env":
        named = [word for word in words[1:] if not word.startswith("-")]
        return (shutil.which(named[0], path=search_path) or "") if named else ""
    return words[0] if words else ""
