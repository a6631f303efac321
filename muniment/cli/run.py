"""``muniment run``: run a training and record what it was made of."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from muniment.capture.data import parse_data_option
from muniment.capture.running import Wish, run_recorded
from muniment.capture.supervising import end_as
from muniment.cli import UsageError
from muniment.cli.output import printable


def run(options: Namespace) -> int:
    """Run the command; end as it ended."""
    arguments = tuple(options.arguments)
    if arguments[:1] == ("--",):
        arguments = arguments[1:]
    if not arguments:
        raise UsageError("muniment run: name the command after --: muniment run -- python train.py")
    try:
        data = tuple(parse_data_option(one) for one in options.data)
    except ValueError as error:
        raise UsageError(f"muniment run: {error}") from error
    status = run_recorded(
        Wish(arguments, data, tuple(options.env), options.allow_dirty),
        environment=os.environ,
        folder=Path.cwd(),
        say=_say,
    )
    return end_as(status)


def _say(text: str) -> None:
    for line in text.splitlines():
        print(f"muniment run: {printable(line)}", file=sys.stderr, flush=True)
