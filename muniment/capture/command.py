"""The command line and its surroundings as they are written down: re-runnable, without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from muniment.lineage_file import Command, Fault

# What changes the numbers that come out, and holds nothing of anybody.
ALLOWED_VARIABLES: Final = (
    *("PYTHONHASHSEED", "PYTHONOPTIMIZE", "LANG", "LC_ALL", "TZ"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("OPENBLAS_CORETYPE", "MKL_CBWR", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG"),
    *("TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS"),
)
REDACTED: Final = "redacted"
_SECRET = re.compile(
    r"(?:^|[-_.])(?:[a-z0-9]*(?:token|secret|passw(?:or)?d|passphrase|credentials?)"
    r"|api[-_]?key|access[-_]?key|private[-_]?key|auth|pwd)(?:$|[-_.])",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")
_URL_SECRET = re.compile(
    r"([?&][^=&]*(?:signature|credential|token|secret|password|sig|key)[^=&]*=)[^&\s]+",
    re.IGNORECASE,
)
_SEED = re.compile(r"-{0,2}((?:[a-z0-9_.-]*[_.-])?(?:seed|random[-_]state))", re.IGNORECASE)
_MAX_ARGUMENT: Final = 4_000
_MAX_ARGUMENTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command as it is recorded.

    Attributes:
        seeds: what the command line and the environment seed → the seed.
        faults: what keeps the recorded command from being run again.
    """

    command: Command
    seeds: Mapping[str, str]
    faults: tuple[Fault, ...] = ()


def describe_command(
    arguments: Sequence[str],
    *,
    folder: Path,
    root: Path | None,
    environment: Mapping[str, str],
    allowed: Sequence[str] = (),
) -> CommandLine:
    """Describe a command so that it can be run again somewhere else.

    A path into the repository is written relative to the folder it is run in; what looks like a
    secret is left out.

    Args:
        folder: where it runs. root: of the repository, None where there is none.
        allowed: names of variables to record beside `ALLOWED_VARIABLES`.
    """
    faults: list[Fault] = []
    shown, redacted = _redact(arguments[:_MAX_ARGUMENTS])
    if redacted:
        faults.append(
            Fault(
                "What looks like a secret was left out of the recorded command line: running it "
                "again goes without. Pass secrets in environment variables.",
                "configuration",
            )
        )
    if len(arguments) > _MAX_ARGUMENTS or any(len(one) > _MAX_ARGUMENT for one in shown):
        too_long = "The command line is longer than what is recorded of one."
        faults.append(Fault(too_long, "configuration"))
        shown = [one[:_MAX_ARGUMENT] for one in shown]
    variables = {}
    for name in dict.fromkeys((*ALLOWED_VARIABLES, *allowed)):
        if name not in environment:
            continue
        if _SECRET.search(name):
            # It was asked for by name: what depends on it is not there.
            left_out = f"The variable {name} is named like a secret and is not recorded."
            faults.append(Fault(left_out, "configuration"))
        else:
            variables[name] = _in_url(environment[name])[:_MAX_ARGUMENT]
    roots, outside = _import_roots(environment.get("PYTHONPATH", ""), folder, root)
    faults += [
        Fault(f"PYTHONPATH names {path}, which is in no commit.", "code") for path in outside
    ]
    relative = "" if root is None else _relative(folder, root)
    seeds = {**_seeds(shown)}
    if environment.get("PYTHONHASHSEED", "random") != "random":
        seeds["PYTHONHASHSEED"] = environment["PYTHONHASHSEED"]
    command = Command(
        arguments=tuple(_relocatable(one, folder, root) for one in shown),
        folder="" if relative == "." else relative,
        environment=variables,
        import_roots=roots,
    )
    return CommandLine(command, seeds, tuple(faults))


def is_secret_name(name: str) -> bool:
    """Say whether a variable or an option is named like what must not be written down."""
    return _SECRET.search(name) is not None


def _redact(arguments: Sequence[str]) -> tuple[list[str], bool]:
    shown: list[str] = []
    takes_secret = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if takes_secret and not argument.startswith("-"):
            shown.append(REDACTED)
        elif equals and value and _SECRET.search(name) and "/" not in name:
            shown.append(f"{name}={REDACTED}")
        else:
            shown.append(_in_url(argument))
        takes_secret = argument.startswith("-") and not equals and bool(_SECRET.search(argument))
    return shown, shown != list(arguments)


def _in_url(text: str) -> str:
    return _URL_SECRET.sub(rf"\1{REDACTED}", _URL_PASSWORD.sub(f"{REDACTED}@", text))


def _seeds(arguments: Sequence[str]) -> dict[str, str]:
    """Return ``--seed 7``, ``--random-state=7`` and ``trainer.seed=7`` as name → value."""
    found = {}
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        name, equals, value = argument.partition("=")
        named = _SEED.fullmatch(name)
        if named is None or not (equals or argument.startswith("-")):
            continue
        seed = value if equals else following
        if seed and not seed.startswith("--"):
            found[named[1]] = seed
    return found


def _relocatable(argument: str, folder: Path, root: Path | None) -> str:
    """Write a path into the repository relative to the folder, one out of it absolute.

    Also as ``--data=/…``.
    """
    name, equals, value = argument.partition("=")
    if equals and name.startswith("-"):
        return f"{name}={_relocatable(value, folder, root)}"
    if root is None or not argument.startswith(("/", "../")):
        return argument
    path = Path(os.path.normpath(folder / argument))
    if path.is_relative_to(root):
        return os.path.relpath(path, folder)
    return str(path) if argument.startswith("/") or path.exists() else argument


def _relative(path: Path, root: Path) -> str:
    return os.path.relpath(path, root) if path.is_relative_to(root) else ""


def _import_roots(
    search_path: str, folder: Path, root: Path | None
) -> tuple[tuple[str, ...], list[str]]:
    roots, outside = [], []
    for entry in filter(None, search_path.split(os.pathsep)):
        path = Path(os.path.normpath(folder / entry))
        if root is not None and path.is_relative_to(root):
            roots.append(_relative(path, root))
        else:
            outside.append(entry[:500])
    return tuple(dict.fromkeys(roots)), outside
