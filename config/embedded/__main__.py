"""`python -m config.embedded`: every part, without the demo's story, until Ctrl-C.

Its other pieces serve an installation whose parts are deployed on their own too:

    python -m config.embedded keys FOLDER   the four keys; one that exists is never replaced
    python -m config.embedded add-key FOLDER USE URI
                                            a statement or grant key of yours, into the keyring
    python -m config.embedded rotate-log-key FOLDER --begin | --finish
                                            another key takes over the log: see docs/keys.md
    python -m config.embedded roles         roles and databases in the PostgreSQL that
                                            SUPERUSER_DATABASE_URL names, each password in
                                            <ROLE>_PASSWORD
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from config.embedded import EmbeddedError, EmbeddedStack
from config.embedded.key_rotation import ADDED_USES, add_key, begin_rotation, finish_rotation
from config.embedded.keys import make_keys
from config.embedded.processes import BASE_DIR
from config.embedded.progress import Progress
from config.embedded.roles import LOGIN_ROLES, make_roles_and_databases
from config.embedded.supervisor import StopRequested, stopping_on_signals


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded")
    commands = parser.add_subparsers(
        dest="command", metavar="{stack,keys,add-key,rotate-log-key,roles}"
    )
    commands.add_parser("stack", help="start every part until Ctrl-C (the default)")
    keys = commands.add_parser("keys", help="make what is missing of an instance's keys")
    keys.add_argument("folder", type=Path)
    keys.add_argument(
        "--host", default="muniment.localhost", help="begins the log's origin, for good"
    )
    _add_key_parsers(commands)
    commands.add_parser("roles", help="make the roles and databases of an empty cluster")
    arguments = parser.parse_args()
    try:
        if arguments.command == "keys":
            make_keys(arguments.folder, now=datetime.now(UTC), host=arguments.host)
        elif arguments.command == "add-key":
            print(add_key(arguments.folder, arguments.use, arguments.uri), end="")
        elif arguments.command == "rotate-log-key":
            _rotate_log_key(arguments)
        elif arguments.command == "roles":
            _make_roles()
        else:
            _run_stack()
    except (EmbeddedError, psycopg.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _add_key_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    added = commands.add_parser("add-key", help="put a key's public half into the keyring")
    added.add_argument("folder", type=Path)
    added.add_argument("use", choices=ADDED_USES)
    added.add_argument("uri", help="file2:PATH or hsm:KEYID?label=TOKEN")
    rotated = commands.add_parser("rotate-log-key", help="let another key take over the log")
    rotated.add_argument("folder", type=Path)
    step = rotated.add_mutually_exclusive_group(required=True)
    step.add_argument("--begin", action="store_true", help="a new key signs beside the old one")
    step.add_argument("--finish", action="store_true", help="the new key signs alone")
    rotated.add_argument(
        "--key", metavar="URI", help="with --begin: a key that exists, pkcs11:… or file2:…"
    )
    rotated.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        help="with --finish: the newest checkpoint (default: FOLDER/published-checkpoint)",
    )


def _rotate_log_key(arguments: argparse.Namespace) -> None:
    if arguments.begin:
        vkey = begin_rotation(arguments.folder, uri=arguments.key)
        print(f"{vkey}\nsigns beside the old key once the sequencer has started anew.")
    else:
        vkey = finish_rotation(arguments.folder, checkpoint_file=arguments.checkpoint)
        print(f"{vkey}\nsigns alone once the sequencer has started anew.")


def _make_roles() -> None:
    names = ["SUPERUSER_DATABASE_URL", *(f"{role.upper()}_PASSWORD" for role in LOGIN_ROLES)]
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise EmbeddedError(f"not set: {', '.join(missing)}")
    url, *passwords = (os.environ[name] for name in names)
    make_roles_and_databases(url, dict(zip(LOGIN_ROLES, passwords, strict=True)))


def _run_stack() -> None:
    progress = Progress()
    home = Path(os.environ.get("MUNIMENT_HOME") or BASE_DIR / ".muniment")
    try:
        with (
            stopping_on_signals(),
            EmbeddedStack(home, overrides=os.environ, progress=progress) as stack,
        ):
            progress.say(f"Muniment is at {stack.addresses.web_url}")
            progress.say(f"MLflow is at {stack.addresses.mlflow_url}")
            progress.say("Ctrl-C stops everything")
            stack.wait()
    except (KeyboardInterrupt, StopRequested):
        progress.say("stopped")


if __name__ == "__main__":
    sys.exit(main())
