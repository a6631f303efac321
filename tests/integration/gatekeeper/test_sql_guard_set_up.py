"""`guard.sql` says who can get around it, follows an edit, and goes without a trace."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from tests.integration.gatekeeper.sql_guard import (
    GUARD,
    REMOVE,
    WAYS_AROUND,
    Guarded,
    assert_refused,
    rows,
)

if TYPE_CHECKING:
    from config.embedded import EmbeddedStack

pytestmark = pytest.mark.timeout(180)


def ways_around(guarded: Guarded) -> set[tuple[str, str]]:
    lines = guarded.run(WAYS_AROUND).splitlines()[2:-2]
    return {
        (role.strip(), because.strip()) for role, because in (line.split("|") for line in lines)
    }


def test_roles_that_could_get_around_are_listed(guarded: Guarded) -> None:
    assert {because for _, because in ways_around(guarded)} == {"is a superuser"}
    plain = sql.Identifier(guarded.plain)
    with closing(psycopg.connect(guarded.superuser_url, autocommit=True)) as connection:
        for do, undo, because in (
            ("GRANT muniment_guard TO {}", "REVOKE muniment_guard FROM {}", "may become"),
            ("GRANT TRIGGER ON runs TO {}", "REVOKE TRIGGER ON runs FROM {}", "triggers on runs"),
            ("CREATE SCHEMA trap AUTHORIZATION {}", "DROP SCHEMA trap", "owns schema trap"),
            (
                "GRANT CREATE ON SCHEMA public TO {}",
                "REVOKE CREATE ON SCHEMA public FROM {}",
                "may create in schema public",
            ),
            ("ALTER ROLE {} CREATEROLE", "ALTER ROLE {} NOCREATEROLE", "makes roles"),
        ):
            connection.execute(sql.SQL(do).format(plain))
            found = {reason for role, reason in ways_around(guarded) if role == guarded.plain}
            connection.execute(sql.SQL(undo).format(plain))
            assert any(because in reason for reason in found), (because, found)
    assert {because for _, because in ways_around(guarded)} == {"is a superuser"}


def test_running_it_again_follows_an_edit(guarded: Guarded, plain_mlflow: Any, model: str) -> None:
    try:
        guarded.edit(models="other-?*")
        guarded.run(GUARD)
        plain_mlflow.set_registered_model_alias(model, "champion", "2")
        guarded.edit(models="gov-[a]")
        assert "violates check constraint" in guarded.run(GUARD, is_good=False)
        plain_mlflow.set_registered_model_alias(model, "champion", "1")
    finally:
        guarded.edit()
        guarded.run(GUARD)
    assert_refused(lambda: plain_mlflow.set_registered_model_alias(model, "champion", "2"))


def test_removing_it_leaves_mlflow_as_it_was(
    guarded: Guarded, plain_mlflow: Any, model: str
) -> None:
    before = rows(guarded, "")
    guarded.run(REMOVE)
    try:
        assert rows(guarded, "") == before
        with closing(guarded.connect(guarded.plain)) as owner:
            query = (
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
                " UNION SELECT tableowner FROM pg_tables WHERE schemaname = 'public'"
                " UNION SELECT pg_get_userbyid(proowner) FROM pg_proc"
                " WHERE pronamespace = 'public'::regnamespace"
            )
            assert owner.execute(query).fetchall() == [(guarded.plain,)]
            assert owner.execute("SELECT to_regnamespace('muniment_guard')").fetchone() == (None,)
            owner.execute("ALTER TABLE registered_model_aliases ADD COLUMN once_more integer")
            owner.execute("ALTER TABLE registered_model_aliases DROP COLUMN once_more")
        plain_mlflow.set_registered_model_alias(model, "champion", "2")
        assert "There is no guard" in guarded.run(REMOVE)
    finally:
        guarded.run(GUARD)
    assert_refused(lambda: plain_mlflow.set_registered_model_alias(model, "champion", "1"))


def test_what_an_upgrade_of_mlflow_makes_and_drops_is_guarded_and_given_back(
    guarded: Guarded,
) -> None:
    with closing(psycopg.connect(guarded.superuser_url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE made_by_upgrade (id serial)")
        connection.execute("CREATE TABLE dropped_by_upgrade ()")
        connection.execute(
            "CREATE FUNCTION made_too(first text, second integer) RETURNS integer"
            " LANGUAGE sql AS 'SELECT second'"
        )
        try:
            guarded.run(GUARD)
            with closing(guarded.connect(guarded.gatekeeper)) as gatekeeper:
                gatekeeper.execute("INSERT INTO made_by_upgrade DEFAULT VALUES")
            connection.execute("DROP TABLE dropped_by_upgrade")
            guarded.run(REMOVE)
            owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'made_by_upgrade'"
            owner += (
                " UNION SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'made_too'"
            )
            assert connection.execute(owner).fetchall() == [(guarded.plain,)]
        finally:
            connection.execute("DROP FUNCTION made_too")
            connection.execute("DROP TABLE IF EXISTS made_by_upgrade, dropped_by_upgrade")
            guarded.run(GUARD)


def test_it_does_nothing_in_another_database_or_for_a_role_that_is_not_there(
    guarded: Guarded, postgres: EmbeddedStack
) -> None:
    other = replace(guarded, superuser_url=postgres.superuser_url())
    assert "This is not MLflow's database" in other.run(GUARD, is_good=False)
    wrong = replace(guarded, gatekeeper="no_such_role")
    try:
        wrong.edit()
        assert "There is no role no_such_role" in wrong.run(GUARD, is_good=False)
    finally:
        guarded.edit()
