"""`python -m config.embedded`: every part, without the demo's story, until Ctrl-C.

Two of its pieces serve an installation whose parts are deployed on their own:

    python -m config.embedded keys FOLDER   the four keys; one that exists is never replaced
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
from config.embedded.keys import make_keys
from config.embedded.processes import BASE_DIR
from config.embedded.progress import Progress
from config.embedded.roles import LOGIN_ROLES, make_roles_and_databases
from config.embedded.supervisor import StopRequested, stopping_on_signals


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded")
    commands = parser.add_subparsers(dest="command", metavar="{stack,keys,roles}")
    commands.add_parser("stack", help="start every part until Ctrl-C (the default)")
    keys = commands.add_parser("keys", help="make what is missing of an instance's keys")
    keys.add_argument("folder", type=Path)
    keys.add_argument(
        "--host", default="muniment.localhost", help="begins the log's origin, for good"
    )
    commands.add_parser("roles", help="make the roles and databases of an empty cluster")
    arguments = parser.parse_args()
    try:
        if arguments.command == "keys":
            make_keys(arguments.folder, now=datetime.now(UTC), host=arguments.host)
        elif arguments.command == "roles":
            _make_roles()
        else:
            _run_stack()
    except (EmbeddedError, psycopg.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


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
