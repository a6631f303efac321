"""``muniment rollback``: say what a rollback grant is for, use it, and say what came of it."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from muniment.cli import UsageError
from muniment.cli.output import print_json, printable, say
from muniment.grant import MAX_TOKEN_CHARACTERS, Grant
from muniment.rollback import (
    EXIT_STATUS,
    RollbackError,
    address_from,
    read_rollback_token,
    roll_back,
)


def run(grant_file: str, *, mlflow_url: str, as_json: bool) -> int:
    """Use the grant in a file; return the exit status of what came of it.

    Raises:
        UsageError: there is no grant in the file, or no server is named.
    """
    try:
        mlflow = address_from(os.environ, url=mlflow_url)
        token, grant = read_rollback_token(_content(grant_file))
        _log(
            f"{grant.alias} of {grant.model} goes back from version {grant.from_version} to "
            f"{grant.version} in {mlflow.url}, by grant {grant.grant_id}"
        )
        outcome = roll_back(mlflow, token, grant, now=datetime.now(UTC))
    except RollbackError as error:
        if error.code == "usage":
            raise UsageError(f"muniment rollback: {error}") from error
        _log(str(error))
        if as_json:
            print_json({"error": {"code": error.code, "message": str(error)}})
        return EXIT_STATUS[error.code]
    if as_json:
        print_json({"outcome": outcome, **_move(grant)})
    elif outcome == "moved":
        say(printable(f"{grant.alias} of {grant.model} is version {grant.version} again."))
        say("Muniment will find this when it is back, and ask a reviewer to look at it.")
    else:
        say(printable(f"{grant.alias} of {grant.model} is version {grant.version} already."))
    return EXIT_STATUS[outcome]


def _content(grant_file: str) -> str:
    most = 2 * MAX_TOKEN_CHARACTERS  # room for white space around it
    try:
        if grant_file == "-":
            return sys.stdin.read(most)
        with Path(grant_file).open(encoding="utf-8") as file:
            return file.read(most)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise RollbackError(
            f"cannot read {printable(grant_file)}: {reason}", code="usage"
        ) from error


def _move(grant: Grant) -> dict[str, str | None]:
    return {
        "grant_id": str(grant.grant_id),
        "model": grant.model,
        "alias": grant.alias,
        "from_version": grant.from_version,
        "to_version": grant.version,
    }


def _log(message: str) -> None:
    print(f"muniment rollback: {printable(message)}", file=sys.stderr)
