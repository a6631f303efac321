"""What the command prints."""

from __future__ import annotations

import json
import sys


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
