"""Reading a frozen environment: which lines pin exactly, which do not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LOCK_PATH: Final = "environment/requirements.lock.txt"
MAX_LOCK_BYTES: Final = 4 * 1024 * 1024
_PIN = re.compile(
    r"""
    (?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)
    (?:\[[A-Za-z0-9._,\s-]*\])?          # extras
    \s*===?\s*
    (?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)
    (?:\s*;[^\n]*)?                      # an environment marker
    (?:\s+--hash=[a-z0-9]+:[0-9a-f]+)*
    """,
    re.VERBOSE | re.ASCII,
)
_COMMENT = re.compile(r"(^|\s)#.*$")


@dataclass(frozen=True, slots=True)
class Environment:
    """What a requirements file pins.

    Attributes:
        packages: normalised name → version, of the lines that pin exactly.
        inexact: the other lines: ranges, bare names, links, options, a name pinned twice.
    """

    packages: Mapping[str, str]
    inexact: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Say whether every line pins exactly, and there is at least one."""
        return bool(self.packages) and not self.inexact


def read_environment(content: bytes) -> Environment:
    """Read a requirements file. Never raises: what cannot be read is inexact."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return Environment({}, ("bytes that are not UTF-8",))
    packages: dict[str, str] = {}
    inexact: list[str] = []
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = _COMMENT.sub("", raw).strip()
        if not line:
            continue
        pin = _PIN.fullmatch(line)
        name = re.sub(r"[-_.]+", "-", pin["name"]).lower() if pin else ""
        if pin is None or packages.get(name, pin["version"]) != pin["version"]:
            inexact.append(line)
        else:
            packages[name] = pin["version"]
    return Environment(packages, tuple(inexact))
