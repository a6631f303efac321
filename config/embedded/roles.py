"""The roles and databases of one PostgreSQL cluster: made idempotently, passwords never in a log.

    muniment_owner      owns every object; cannot log in
    muniment_migrator   logs in to become the owner (migrations)
    muniment_runtime    web and workers; the migrations say what it may do to each table
    muniment_sequencer  the log's one writer
    mlflow              owns MLflow's own database and sees no other

Also for a PostgreSQL of your own: `python -m config.embedded roles` (docker-compose.yml runs it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

OWNER: Final = "muniment_owner"
MIGRATOR: Final = "muniment_migrator"
RUNTIME: Final = "muniment_runtime"
SEQUENCER: Final = "muniment_sequencer"
MLFLOW: Final = "mlflow"
LOGIN_ROLES: Final = (MIGRATOR, RUNTIME, SEQUENCER, MLFLOW)
DATABASE: Final = "muniment"

# Roles are cluster-wide: whoever sets them up holds this lock ("muniment", as a number).
_LOCK_KEY: Final = 0x6D756E696D656E74


def make_roles_and_databases(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """Bring the cluster's roles and databases to the state described above.

    Args:
        superuser_url: of any database of the cluster.
        passwords: one for each of `LOGIN_ROLES`.
    """
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        _make_roles(connection, passwords)
        _make_database(connection, DATABASE, OWNER)
        _make_database(connection, MLFLOW, MLFLOW)
        for name in ("postgres", "template1"):
            _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
    for name, prepare in ((DATABASE, open_to_roles), (MLFLOW, _close_public_schema)):
        with psycopg.connect(make_conninfo(superuser_url, dbname=name)) as connection:
            prepare(connection, name)


def open_to_roles(connection: psycopg.Connection[tuple[object, ...]], database: str) -> None:
    """Grant what is not copied with a template: who may connect to this database of Muniment.

    `connection` is a superuser's to that same database. What each role may do to each table is
    the migrations' business.
    """
    _close_public_schema(connection, database)
    _run(connection, "ALTER SCHEMA public OWNER TO {}", OWNER)
    for role in (MIGRATOR, RUNTIME, SEQUENCER):
        _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", database, role)
        _run(connection, "GRANT USAGE ON SCHEMA public TO {}", role)


def _make_roles(
    connection: psycopg.Connection[tuple[object, ...]], passwords: Mapping[str, str]
) -> None:
    rows = connection.execute("SELECT rolname FROM pg_roles").fetchall()
    present = {row[0] for row in rows}
    for role in (OWNER, *LOGIN_ROLES):
        if role not in present:
            _run(connection, "CREATE ROLE {}", role)
    _run(connection, "ALTER ROLE {} NOLOGIN", OWNER)
    for role in LOGIN_ROLES:
        # Hashed on this side, so that no statement, and no server log, ever holds a password.
        verifier = connection.pgconn.encrypt_password(
            passwords[role].encode(), role.encode(), b"scram-sha-256"
        ).decode()
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(verifier)
            )
        )
    # Only by saying so (SET ROLE, which settings do for migrations), never by merely connecting.
    _run(connection, "GRANT {} TO {} WITH INHERIT FALSE, SET TRUE", OWNER, MIGRATOR)


def _make_database(
    connection: psycopg.Connection[tuple[object, ...]], name: str, owner: str
) -> None:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if found is None:
        _run(connection, "CREATE DATABASE {} OWNER {}", name, owner)


def _close_public_schema(connection: psycopg.Connection[tuple[object, ...]], database: str) -> None:
    _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
    _run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC")


def _run(
    connection: psycopg.Connection[tuple[object, ...]], statement: str, *identifiers: str
) -> None:
    # `statement` is always a literal of this file.
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, identifiers)))
