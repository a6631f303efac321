"""A recorded lock file, read so strictly that nothing but pins reaches an installer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_PINS: Final = 5_000
_PIN: Final = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)"
    r"==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99})"
    r"(?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})*)",
    re.ASCII,
)
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


class LockInvalid(ValueError):
    """A lock file holds something else than exact pins; the message names the line."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One distribution: its normalised name, its version, its archives' ``sha256:…``."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()

    def as_line(self) -> str:
        """Return it as a line of a requirements file."""
        return " ".join([f"{self.name}=={self.version}", *(f"--hash={one}" for one in self.hashes)])


def parse_lock(content: bytes) -> tuple[Pin, ...]:
    """Read ``name==version [--hash=sha256:…]…`` a line, and comments.

    Raises:
        LockInvalid: any other line (an option, a link, a range, a marker), a name pinned twice to
            other versions, no pin at all, more than 5,000, or bytes that are not UTF-8.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LockInvalid("The lock file is not UTF-8.") from error
    pins: dict[str, Pin] = {}
    for number, line in enumerate(re.sub(r"\\\r?\n", " ", text).splitlines(), start=1):
        wanted = line.strip()
        if not wanted or wanted.startswith("#"):
            continue
        found = _PIN.fullmatch(wanted)
        if found is None:
            raise LockInvalid(f"Line {number} of the lock file is no exact pin: {wanted[:100]!r}.")
        name = re.sub(r"[-_.]+", "-", found["name"]).lower()
        pin = Pin(name, found["version"], tuple(_HASH.findall(found["hashes"])))
        if pins.setdefault(name, pin) != pin:
            raise LockInvalid(f"The lock file pins {name} twice.")
        if len(pins) > MAX_PINS:
            raise LockInvalid(f"The lock file pins more than {MAX_PINS:,} packages.")
    if not pins:
        raise LockInvalid("The lock file pins nothing.")
    return tuple(pins.values())
