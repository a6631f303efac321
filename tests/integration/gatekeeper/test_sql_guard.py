"""`guard.sql`: a plain MLflow on the gatekeeper's own database cannot make governed changes."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.integration.gatekeeper.sql_guard import Guarded, assert_refused, rows

pytestmark = pytest.mark.timeout(180)

PROMPT_TAG = "mlflow.prompt.is_prompt"


@pytest.mark.filterwarnings("ignore:.*")
def test_a_plain_mlflow_makes_no_governed_change(
    guarded: Guarded, plain_mlflow: Any, model: str
) -> None:
    from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

    store, before = plain_mlflow, rows(guarded, model)
    for alias in ("champion", "Champion", "CHAMPION", "\uff43hampion"):
        assert_refused(lambda alias=alias: store.set_registered_model_alias(model, alias, "2"))
    assert_refused(lambda: store.delete_registered_model_alias(model, "champion"))
    assert_refused(lambda: store.transition_model_version_stage(model, "2", "Production", False))
    assert_refused(lambda: store.rename_registered_model(model, "sandbox"))
    assert_refused(lambda: store.delete_model_version(model, "2"))
    assert_refused(lambda: store.delete_registered_model(model))
    for key in ("muniment.policy", "Muniment.policy", PROMPT_TAG):
        on_model, on_version = RegisteredModelTag(key, "true"), ModelVersionTag(key, "true")
        assert_refused(lambda tag=on_model: store.set_registered_model_tag(model, tag))
        assert_refused(lambda tag=on_version: store.set_model_version_tag(model, "2", tag))
        assert_refused(
            lambda tag=on_version: store.create_model_version(model, "s3://b/m", tags=[tag])
        )
    assert rows(guarded, model) == before


def test_a_plain_mlflow_goes_on_with_all_else(guarded: Guarded, plain_mlflow: Any) -> None:
    from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

    store, name = plain_mlflow, f"gov-{uuid4().hex}"
    store.create_registered_model(name, tags=[RegisteredModelTag("team", "risk")])
    version = store.create_model_version(name, "s3://bucket/model")
    store.update_model_version(name, version.version, "baseline")
    store.update_registered_model(name, "Scores applications.")
    store.set_model_version_tag(name, "1", ModelVersionTag("note", "x"))
    store.delete_model_version_tag(name, "1", "note")
    store.set_registered_model_alias(name, "challenger", "1")
    store.delete_registered_model_alias(name, "challenger")
    sandbox = f"sandbox-{uuid4().hex}"
    store.create_registered_model(sandbox)
    store.create_model_version(sandbox, "s3://bucket/model")
    store.set_registered_model_alias(sandbox, "champion", "1")
    store.rename_registered_model(sandbox, f"{sandbox}-renamed")
    # Not onto a governed name: it would carry its alias there.
    assert_refused(lambda: store.rename_registered_model(f"{sandbox}-renamed", f"gov-{sandbox}"))
    store.delete_registered_model(f"{sandbox}-renamed")
    assert rows(guarded, sandbox) == [[], [], [], [], []]


def test_the_gatekeepers_role_may_do_all(
    guarded: Guarded, gatekeepers_mlflow: Any, model: str
) -> None:
    from mlflow.entities.model_registry import RegisteredModelTag

    store = gatekeepers_mlflow
    store.set_registered_model_alias(model, "champion", "2")
    store.set_registered_model_tag(model, RegisteredModelTag("muniment.policy", "strict"))
    store.rename_registered_model(model, f"{model}-renamed")
    store.delete_model_version(f"{model}-renamed", "1")
    store.delete_registered_model(f"{model}-renamed")
    assert rows(guarded, model) == [[], [], [], [], []]


ATTACKS = {
    "update": "UPDATE registered_model_aliases SET version = 2 WHERE name = %(name)s",
    "an alias that becomes governed": (
        "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
        " VALUES ('default', %(name)s, 'free', 2);"
        " UPDATE registered_model_aliases SET alias = 'champion' WHERE alias = 'free'"
        " AND name = %(name)s"
    ),
    "an alias that stops being governed": (
        "UPDATE registered_model_aliases SET alias = 'free' WHERE name = %(name)s"
    ),
    "an alias moved to another model": (
        "UPDATE registered_model_aliases SET name = 'sandbox' WHERE name = %(name)s"
    ),
    "delete": "DELETE FROM registered_model_aliases WHERE name = %(name)s",
    "upsert": (
        "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
        " VALUES ('default', %(name)s, 'champion', 2)"
        " ON CONFLICT (workspace, name, alias) DO UPDATE SET version = 2"
    ),
    "merge": (
        "MERGE INTO registered_model_aliases AS held USING (SELECT 2 AS version) AS other"
        " ON held.name = %(name)s WHEN MATCHED THEN UPDATE SET version = other.version"
    ),
    "source": "UPDATE model_versions SET source = 's3://evil' WHERE name = %(name)s",
    "storage": "UPDATE model_versions SET storage_location = 's3://evil' WHERE name = %(name)s",
    "run": "UPDATE model_versions SET run_id = 'evil' WHERE name = %(name)s",
    "number": "UPDATE model_versions SET version = version + 10 WHERE name = %(name)s",
    "stage": "UPDATE model_versions SET current_stage = 'Production' WHERE name = %(name)s",
    "born in production": (
        "INSERT INTO model_versions (workspace, name, version, current_stage)"
        " VALUES ('default', %(name)s, 9, 'Production')"
    ),
    "creation time": "UPDATE registered_models SET creation_time = 1 WHERE name = %(name)s",
    "cascade": "DELETE FROM registered_models WHERE name = %(name)s",
    "as a replica": (
        "SET session_replication_role = replica;"
        " UPDATE registered_model_aliases SET version = 2 WHERE name = %(name)s"
    ),
    "as the gatekeeper": (
        "SET ROLE {gatekeeper}; UPDATE registered_model_aliases SET version = 2"
        " WHERE name = %(name)s"
    ),
    "as the gatekeeper's session": (
        "SET SESSION AUTHORIZATION {gatekeeper};"
        " UPDATE registered_model_aliases SET version = 2 WHERE name = %(name)s"
    ),
    "truncate": "TRUNCATE registered_model_aliases",
    "truncate all": "TRUNCATE registered_models CASCADE",
    "disabled trigger": "ALTER TABLE registered_model_aliases DISABLE TRIGGER ALL",
    "dropped trigger": "DROP TRIGGER muniment_guard ON registered_model_aliases",
    "dropped table": "DROP TABLE registered_model_aliases",
    "replaced function": (
        "CREATE OR REPLACE FUNCTION muniment_guard.judge() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'"
    ),
    "nothing governed": "DELETE FROM muniment_guard.governed",
    "a gatekeeper more": "INSERT INTO muniment_guard.governed VALUES ('gatekeeper', session_user)",
    "a trap in the gatekeeper's way": (
        "CREATE FUNCTION pg_temp.trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"  # noqa: E501
        " CREATE TRIGGER trap BEFORE INSERT ON runs EXECUTE FUNCTION pg_temp.trap()"
    ),
    "a trap in its search path": "CREATE TABLE public.trap ()",
    "a trap in its own schema": "CREATE SCHEMA trap",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_statement_gets_around_the_guard(
    attack: str, guarded: Guarded, intruder: psycopg.Connection[Any], model: str
) -> None:
    before = rows(guarded, model)
    statement = ATTACKS[attack].replace("{gatekeeper}", guarded.gatekeeper)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        psycopg.ClientCursor(intruder) as cursor,
        intruder.transaction(),
    ):
        cursor.execute(statement, {"name": model})
    assert rows(guarded, model) == before


def copy_rows(cursor: psycopg.Cursor[Any], columns: str, *copied: tuple[object, ...]) -> None:
    with cursor.copy(f"COPY {columns} FROM STDIN") as copy:
        for row in copied:
            copy.write_row(row)


def test_copy_is_judged_row_by_row(
    guarded: Guarded, intruder: psycopg.Connection[Any], model: str
) -> None:
    before = rows(guarded, model)
    columns = "registered_model_aliases (workspace, name, alias, version)"
    good, evil = (("default", model, alias, 2) for alias in ("challenger", "ChamPion"))
    with intruder.cursor() as cursor, pytest.raises(psycopg.errors.InsufficientPrivilege):
        copy_rows(cursor, columns, good, evil)
    assert rows(guarded, model) == before


def test_a_superuser_is_asked_too_and_can_not_go_around_as_a_replica(
    guarded: Guarded, model: str
) -> None:
    before = rows(guarded, model)
    with closing(psycopg.connect(guarded.superuser_url, autocommit=True)) as connection:
        for role in ("origin", "replica"):
            connection.execute(f"SET session_replication_role = {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("UPDATE registered_model_aliases SET version = 2")
    assert rows(guarded, model) == before
