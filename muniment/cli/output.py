"""What the command prints."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Self

_QUIET_SECONDS = 2.0
_BETWEEN_SECONDS = 0.2


def print_json(document: object) -> None:
    """Print the one JSON document of a command."""
    json.dump(document, sys.stdout, ensure_ascii=True, indent=2, allow_nan=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def printable(text: object) -> str:
    """Return text that cannot move the cursor or colour the terminal.

    What is printed may come from a file or a server that nobody has vouched for.
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def say(line: str) -> None:
    """Print one line of a result, whatever the terminal's encoding."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding))


class Progress:
    """How far something is, on a terminal's standard error, once it takes longer than two seconds.

    The line is gone when it ends; where standard error is no terminal nothing is written.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_shown = sys.stderr.isatty()
        self._next_at = time.monotonic() + _QUIET_SECONDS
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def tell(self, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` are done; most calls write nothing."""
        if not self._is_shown or time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + _BETWEEN_SECONDS
        self._is_open = True
        share = 100 * done // max(total, 1)
        sys.stderr.write(f"\r{self._what} {done} of {total} ({share} %)\x1b[K")
        sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
