"""A database with `guard.sql` in it, and what its tests ask of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from config.embedded.postgres import postgres_binaries
from tests.unit.docs.pages import DOCS, fenced, read, section

PAGE = read(DOCS / "protect-mlflow.md")
SET_UP, GUARD, WAYS_AROUND = fenced(section(PAGE, "## The second line in PostgreSQL"), "sh")
UNINSTALL = fenced(section(PAGE, "## Uninstall"), "sh")[0]
REMOVE = UNINSTALL.splitlines()[0]
TABLES = (
    "registered_models",
    "model_versions",
    "registered_model_aliases",
    "registered_model_tags",
    "model_version_tags",
)


@dataclass(frozen=True)
class Guarded:
    """A database of MLflow's with the guard in it, and its three kinds of roles."""

    superuser_url: str = field(repr=False)
    plain: str
    gatekeeper: str
    folder: Path

    def url(self, role: str) -> str:
        place = conninfo_to_dict(self.superuser_url)
        return f"postgresql://{role}:secret@{place['host']}:{place['port']}/{place['dbname']}"

    def connect(self, role: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(role), autocommit=True)

    def run(self, commands: str, *, is_good: bool = True) -> str:
        """Run commands of the page as a superuser, on this database and for its roles."""
        place = conninfo_to_dict(self.superuser_url)
        python = Path(sys.executable).parent
        commands = commands.replace("--dbname mlflow ", f"--dbname {place['dbname']} ")
        done = subprocess.run(
            ["bash", "-euc", commands.replace("mlflow_gatekeeper", self.gatekeeper)],
            cwd=self.folder,
            env={
                "PATH": os.pathsep.join(map(str, (postgres_binaries(), python, os.defpath))),
                "PGHOST": str(place["host"]),
                "PGPORT": str(place["port"]),
                "PGUSER": str(place["user"]),
                "PGPASSWORD": str(place["password"]),
            },
            input="secret\nsecret\n",  # for \password
            start_new_session=True,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is is_good, done.stderr
        return done.stdout + done.stderr

    def edit(self, *, models: str = "gov-*") -> None:
        """Edit the copy of `guard.sql` for this database's roles, as the page says."""
        file = self.folder / "guard.sql"
        content = file.read_text()
        for kind, name in (
            ("gatekeeper", self.gatekeeper),
            ("role", self.plain),
            ("model", models),
        ):
            line = re.compile(rf"^    \('{kind}', '.*?'\)", re.MULTILINE)
            content = line.sub(f"    ('{kind}', '{name}')", content, count=1)
        file.write_text(content)


@contextmanager
def mlflow_database(superuser_url: Callable[..., str], folder: Path) -> Iterator[Guarded]:
    """A database that a plain MLflow made and owns, and the name of a gatekeeper to come."""
    suffix = uuid4().hex[:12]
    name, plain, gatekeeper = f"mlflow_{suffix}", f"plain_{suffix}", f"keeper_{suffix}"
    found = Guarded(superuser_url(name), plain, gatekeeper, folder)
    with psycopg.connect(superuser_url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(sql.Identifier(plain))
        )
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (name, plain)))
        )
    open_store(found, plain)._dispose_engine()
    yield found
    with psycopg.connect(superuser_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in (plain, gatekeeper):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def open_store(guarded: Guarded, role: str) -> Any:
    """MLflow's own registry store, without the plugin, logged in as ``role``."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    return SqlAlchemyStore(guarded.url(role).replace("postgresql", "postgresql+psycopg", 1))


def rows(guarded: Guarded, name: str) -> list[list[tuple[Any, ...]]]:
    """Everything that the registry holds about a name."""
    with closing(psycopg.connect(guarded.superuser_url)) as connection:
        return [
            connection.execute(
                sql.SQL("SELECT * FROM {} AS found WHERE name LIKE %s ORDER BY found::text").format(
                    sql.Identifier(table)
                ),
                [f"{name}%"],
            ).fetchall()
            for table in TABLES
        ]


def assert_refused(action: Callable[[], object]) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="Muniment governs it"):
        action()
