"""``muniment gate``: ask, wait, write, and turn the answer into an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from muniment.cli import UsageError
from muniment.cli.output import print_json, printable, say
from muniment.gate import EXIT_STATUS, FORMATS, GateError, ask_gate, endpoint_from, render


def run(
    model: str,
    version: str,
    *,
    alias: str,
    wait_seconds: float,
    outputs: Sequence[str],
    as_json: bool,
) -> int:
    """Ask the gate; return the exit status of its answer, or of why there is none.

    Raises:
        UsageError: a malformed ``--output``, or no server is named.
    """
    wanted = [_output(text) for text in outputs]
    if as_json:
        wanted = [output for output in wanted if output[1] != "-"]
    elif not any(path == "-" for _, path in wanted):
        wanted.append(("text", "-"))
    try:
        endpoint = endpoint_from(os.environ)
        answer = ask_gate(endpoint, model, version, alias, wait_seconds=wait_seconds, log=_log)
        for output_format, path in wanted:
            _write(render(answer, output_format), path)
    except GateError as error:
        if error.code == "usage":
            raise UsageError(f"muniment gate: {error}") from error
        _log(str(error))
        if as_json:
            print_json({"error": {"code": error.code, "message": str(error)}})
        return EXIT_STATUS[error.code]
    if as_json:
        print_json(answer.document)
    return EXIT_STATUS[answer.decision]


def _output(text: str) -> tuple[str, str]:
    output_format, equals, path = text.partition("=")
    if output_format not in FORMATS or not equals or not path:
        raise UsageError(
            f"muniment gate: --output is FORMAT=PATH with FORMAT one of {', '.join(FORMATS)}, "
            f"not {printable(text)}"
        )
    return output_format, path


def _write(content: str, path: str) -> None:
    if path == "-":
        say(content.rstrip("\n"))
        return
    try:
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        # A report that was asked for and is missing must not look like an allow.
        raise GateError(f"cannot write {path}: {error.strerror}", code="output") from error


def _log(message: str) -> None:
    print(f"muniment gate: {printable(message)}", file=sys.stderr)
