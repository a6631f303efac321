"""The gatekeeper on PostgreSQL, by both of its schemes: the rules read the same from its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import event

from muniment.mlflow import governed_store

if TYPE_CHECKING:
    from config.embedded import EmbeddedStack

pytestmark = pytest.mark.timeout(180)

PROMPT_TAG = "mlflow.prompt.is_prompt"


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedStack) -> Iterator[str]:
    """The URL of an empty database, without its scheme."""
    name = f"gatekeeper_{uuid4().hex}"
    identifier = sql.Identifier(name)
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    yield postgres.superuser_url(name).partition("://")[2]
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest.fixture(params=["muniment+postgresql", "muniment+postgresql+psycopg"])
def store(
    request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    for variable in ("MUNIMENT_GOVERNED_MODELS", "MUNIMENT_GOVERNED_ALIASES"):
        monkeypatch.delenv(variable, raising=False)
    store = governed_store(f"{request.param}://{database_url}")
    yield store
    store._dispose_engine()


def refused(action: Callable[[], object]) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        action()
    except MlflowException as error:
        return error.error_code == "PERMISSION_DENIED"
    return False


def test_governed_changes_are_refused_and_ordinary_ones_are_not(store: Any) -> None:
    from mlflow.entities.model_registry import RegisteredModelTag

    name = f"model-{uuid4().hex}"
    store.create_registered_model(name, tags=[RegisteredModelTag("team", "risk")])
    store.create_model_version(name, "s3://bucket/model")
    assert refused(lambda: store.set_registered_model_alias(name, "Champion", "1"))
    assert refused(lambda: store.delete_registered_model_alias(name, "champion"))
    assert refused(lambda: store.transition_model_version_stage(name, "1", "Production", False))
    assert refused(lambda: store.delete_model_version(name, "1"))
    assert refused(lambda: store.delete_registered_model(name))
    assert refused(lambda: store.rename_registered_model(name, "elsewhere"))
    for key in ("muniment.policy", PROMPT_TAG):
        tag = RegisteredModelTag(key, "true")
        assert refused(lambda tag=tag: store.set_registered_model_tag(name, tag))
        assert refused(lambda tag=tag: store.set_model_version_tag(name, "1", tag))
        assert refused(lambda tag=tag: store.create_model_version(name, "dummy-source", tags=[tag]))
    store.set_registered_model_alias(name, "challenger", "1")
    assert store.get_registered_model(name).aliases == {"challenger": 1}


def test_prompts_are_made_and_deleted_but_do_not_cover_models(store: Any) -> None:
    name = f"prompt-{uuid4().hex}"
    store.create_prompt(name)
    store.create_prompt_version(name, "Hello {{name}}")
    store.set_prompt_alias(name, "champion", "1")
    assert store.get_prompt_version_by_alias(name, "champion").template == "Hello {{name}}"
    assert refused(lambda: store.create_model_version(name, "s3://bucket/model"))
    assert refused(lambda: store.delete_prompt_tag(name, PROMPT_TAG))
    store.delete_prompt_version(name, "1")
    store.delete_prompt(name)
    assert store.get_prompt(name) is None


def test_artifacts_guard_asks_once_a_write_and_reads_versions_only_when_they_changed(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server import handlers

    from muniment.governed import GovernedNames
    from muniment.mlflow.destination import Destination
    from muniment.mlflow.registered_files import RegisteredFiles

    monkeypatch.setattr(handlers, "_model_registry_store", store)
    files = RegisteredFiles(GovernedNames(), Destination.from_uri("s3://bucket"))
    name, folder = f"model-{uuid4().hex}", f"1/{uuid4().hex}/artifacts"
    store.create_registered_model(name)
    store.create_model_version(name, f"s3://bucket/{folder}/first")
    statements: list[str] = []
    event.listen(
        store.engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, *rest: statements.append(statement),
    )
    place = tuple(folder.split("/"))
    for _ in range(5):
        assert files.current().owner_of((*place, "first", "MLmodel"))
        assert not files.current().owner_of((*place, "second", "MLmodel"))
    assert len(statements) == 10 + 1
    store.create_model_version(name, f"s3://bucket/{folder}/second")
    assert files.current().owner_of((*place, "second", "MLmodel"))
    with pytest.MonkeyPatch.context() as renamed:
        renamed.setenv("MUNIMENT_GOVERNED_MODELS", "other-*")
        plain = governed_store(str(store.engine.url.render_as_string(hide_password=False)))
        plain.rename_registered_model(name, f"{name}-renamed")
        assert f"{name}-renamed" in str(files.current().owner_of((*place, "first")))
        plain.delete_model_version(f"{name}-renamed", "1")
        assert not files.current().owner_of((*place, "first"))
        plain.delete_registered_model(f"{name}-renamed")
        assert not files.current().owner_of((*place, "second"))
        plain._dispose_engine()
