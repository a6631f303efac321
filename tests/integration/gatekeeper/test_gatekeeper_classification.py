"""The classification of MLflow's store methods, against MLflow itself; and what starts or not."""

from __future__ import annotations

import importlib.metadata
import inspect
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from muniment import governed as names
from muniment.governed import GovernedNames
from muniment.mlflow import governed_store
from muniment.mlflow.gatekeeper import Gatekeeper
from muniment.mlflow.methods import (
    COMPOSED,
    JUDGED,
    ORDINARY,
    READS,
    TESTED_MLFLOW_VERSIONS,
    public_methods,
    unclassified_methods,
)
from muniment.mlflow.settings import Settings

pytestmark = pytest.mark.timeout(120)

SCHEMES = {"muniment+postgresql", "muniment+postgresql+psycopg", "muniment+sqlite"}


@pytest.fixture(scope="module")
def abstract_store() -> type[Any]:
    from mlflow.store.model_registry.abstract_store import AbstractStore

    return AbstractStore


@pytest.fixture(scope="module")
def sql_store() -> type[Any]:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    return SqlAlchemyStore


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory, sql_store: type[Any]) -> str:
    """The URI of a database that MLflow has made its tables in, once for all of these tests."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"
    sql_store(uri)
    return uri


@pytest.fixture
def gatekeeper() -> Gatekeeper:
    return Gatekeeper(Settings(governed=GovernedNames()), clock=lambda: datetime.now(UTC))


def refusal_of(action: Callable[[], object]) -> str:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as caught:
        action()
    assert caught.value.error_code == "PERMISSION_DENIED"
    assert caught.value.get_http_status_code() == 403
    return str(caught.value)


def test_every_method_of_mlflows_abstract_store_is_classified_once(
    abstract_store: type[Any], sql_store: type[Any]
) -> None:
    classes = [READS, COMPOSED, frozenset(ORDINARY), frozenset(JUDGED)]
    for index, one in enumerate(classes):
        for other in classes[index + 1 :]:
            assert one.isdisjoint(other)
    classified = frozenset().union(*classes)
    assert set(public_methods(abstract_store)) == classified
    assert set(public_methods(sql_store)) == classified
    assert unclassified_methods(sql_store, abstract_store) == {}


def test_installed_mlflow_is_a_tested_one() -> None:
    assert importlib.metadata.version("mlflow") in TESTED_MLFLOW_VERSIONS


def test_classified_writes_are_all_that_write(sql_store: type[Any]) -> None:
    """A method that opens a writing session is ordinary or judged, never a read."""
    writing = {
        name
        for name, method in public_methods(sql_store).items()
        if inspect.isfunction(method) and "read_only=False" in inspect.getsource(method)
    }
    assert writing == set(ORDINARY) | set(JUDGED)


def test_a_versions_source_is_given_when_it_is_made_and_by_nothing_else(
    sql_store: type[Any],
) -> None:
    """A method that took one for a version that exists would change what was approved."""
    of_origin = {"source", "run_id", "run_link", "model_id", "local_model_path"}
    writes = set(ORDINARY) | set(JUDGED)
    taking = {
        name
        for name, method in public_methods(sql_store).items()
        if name in writes and of_origin & set(inspect.signature(method).parameters)
    }
    assert taking == {"create_model_version"}
    columns = re.compile(r"\.(source|storage_location|run_id)\s*=(?!=)\s*(\S+)")
    assigned = columns.findall(inspect.getsource(sql_store))
    # Deleting a version takes its source away; nothing else assigns one.
    assert {value for _, value in assigned} == {'"REDACTED-SOURCE-PATH"', '"REDACTED-RUN-ID"'}


def test_nothing_else_in_mlflow_touches_the_registry_tables() -> None:
    """Only the registry store, workspaces (refused at start) and offline migrations do."""
    import mlflow

    root = Path(mlflow.__file__).parent
    table = re.compile(r"SqlRegisteredModel|SqlModelVersion\b")
    touching = {
        source.relative_to(root).as_posix()
        for source in root.rglob("*.py")
        if "db_migrations" not in source.parts and table.search(source.read_text(encoding="utf-8"))
    }
    assert touching == {
        "store/db/workspace_move.py",
        "store/fs2db/_registry.py",
        "store/model_registry/dbmodels/models.py",
        "store/model_registry/sqlalchemy_store.py",
        "store/workspace/sqlalchemy_store.py",
    }


def test_graphql_changes_nothing() -> None:
    from mlflow.server.graphql.graphql_schema_extensions import schema

    assert set(schema.graphql_schema.mutation_type.fields) == {
        "mlflowSearchDatasets",
        "mlflowSearchRuns",
        "testMutation",
    }


def test_a_mutator_of_a_newer_mlflow_is_refused(
    sql_store: type[Any], migrated: str, gatekeeper: Gatekeeper
) -> None:
    from muniment.mlflow.store import governed_class

    class NewerStore(sql_store):
        def swap_registered_model_aliases(self, name: str, one: str, other: str) -> None:
            raise AssertionError("reached")

        def update_model_version(
            self, name: str, version: str, description: str | None = None, source: str = ""
        ) -> None:
            raise AssertionError("reached")

        def set_prompt_alias(self, name: str, alias: str, version: str | int) -> None:
            raise AssertionError("reached")

        def set_registered_model_alias(
            self, name: str, alias: str, version: str, model_name: str = ""
        ) -> None:
            raise AssertionError("reached")

    store = governed_class(NewerStore, gatekeeper)(migrated)
    assert "not known" in refusal_of(lambda: store.swap_registered_model_aliases("m", "a", "b"))
    assert "unknown parameters: source" in refusal_of(lambda: store.update_model_version("m", "1"))
    assert "implements it itself" in refusal_of(lambda: store.set_prompt_alias("m", "a", "1"))
    assert "model_name" in refusal_of(lambda: store.set_registered_model_alias("m", "a", "1"))
    assert store.search_registered_models() == []


def test_a_change_outside_of_a_request_has_no_grant_and_is_refused(
    sql_store: type[Any], migrated: str, gatekeeper: Gatekeeper
) -> None:
    from mlflow.exceptions import MlflowException

    from muniment.mlflow.store import governed_class

    store = governed_class(sql_store, gatekeeper)(migrated)
    store.create_registered_model("m")
    store.create_model_version("m", "s3://bucket/model")
    sentence = refusal_of(lambda: store.set_registered_model_alias("m", "champion", 1))
    assert sentence.endswith("ask for a promotion in Muniment")
    refusal_of(lambda: store.set_registered_model_alias(version=1, alias="champion", name="m"))
    with pytest.raises(MlflowException, match=r"'muniment\.x'.* is refused: "):
        store.copy_model_version(_tagged_version(), "m")
    assert len(store.search_model_versions("name = 'm'")) == 1


def test_tags_are_judged_even_when_they_can_be_read_only_once(
    sql_store: type[Any], migrated: str, gatekeeper: Gatekeeper
) -> None:
    from mlflow.entities.model_registry import RegisteredModelTag

    from muniment.mlflow.store import governed_class

    store = governed_class(sql_store, gatekeeper)(migrated)

    def once() -> Iterator[Any]:
        yield RegisteredModelTag("team", "risk")

    assert store.create_registered_model("once", tags=once()).tags == {"team": "risk"}


def test_names_match_mlflows_own() -> None:
    from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS, IS_PROMPT_TAG_KEY

    assert names.PROMPT_TAG == IS_PROMPT_TAG_KEY
    assert names.PROMPT_SOURCES == _PROMPT_SOURCE_PLACEHOLDERS
    declared = importlib.metadata.entry_points(group="mlflow.model_registry_store")
    ours = {entry.name: entry.value for entry in declared if entry.name.startswith("muniment+")}
    assert ours == dict.fromkeys(SCHEMES, "muniment.mlflow:governed_store")


def test_mlflow_finds_the_store_by_its_scheme(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.handlers import ModelRegistryStoreRegistryWrapper

    monkeypatch.delenv("MUNIMENT_GOVERNED_ALIASES", raising=False)
    registry = ModelRegistryStoreRegistryWrapper()
    store = registry.get_store(f"muniment+{migrated}")
    assert type(store).__name__ == "GovernedSqlAlchemyStore"
    for scheme in SCHEMES:
        assert registry.get_store_builder(f"{scheme}://host/mlflow") is governed_store


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MUNIMENT_GOVERNED_ALIASES", "champ*"),
        ("MUNIMENT_GOVERNED_MODELS", ","),
        ("MUNIMENT_URL", "muniment.example.com"),
        ("MLFLOW_ENABLE_WORKSPACES", "true"),
    ],
)
def test_the_store_does_not_start_on_what_it_cannot_enforce(
    variable: str, value: str, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv(variable, value)
    with pytest.raises(MlflowException, match=f"does not start: {variable}"):
        governed_store(f"muniment+{migrated}")


def test_without_a_key_the_store_starts_says_so_and_grants_nothing(
    migrated: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MUNIMENT_GRANT_PUBLIC_KEY_FILE", "/nowhere/grant.pub")
    with caplog.at_level(logging.WARNING, logger="muniment.mlflow"):
        store = governed_store(f"muniment+{migrated}")
    logged = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("'/nowhere/grant.pub'" in line and "is refused" in line for line in logged)
    store.create_registered_model("keyless")
    store.create_model_version("keyless", "s3://bucket/model")
    refusal_of(lambda: store.set_registered_model_alias("keyless", "champion", 1))
    store.set_registered_model_alias("keyless", "challenger", 1)


def test_an_untested_mlflow_is_named_in_the_log(
    migrated: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import mlflow

    monkeypatch.setattr(mlflow, "__version__", "99.0.0")  # the fault injected: a newer MLflow
    with caplog.at_level(logging.WARNING, logger="muniment.mlflow"):
        governed_store(f"muniment+{migrated}")
    assert any("not tested with MLflow 99.0.0" in line for line in caplog.messages)


def _tagged_version() -> Any:
    from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

    return ModelVersion(
        "m", "1", 0, source="s3://bucket/model", tags=[ModelVersionTag("muniment.x", "y")]
    )
