"""With no governed name our store behaves as MLflow's: every method, the same calls, compared."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from muniment.mlflow import governed_store
from muniment.mlflow.methods import public_methods
from tests.integration.gatekeeper.contract_calls import (
    drive_links,
    drive_models,
    drive_prompts,
    drive_versions,
    drive_webhooks,
)
from tests.integration.gatekeeper.twins import Twins

if TYPE_CHECKING:
    from config.embedded import EmbeddedStack

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all of MLflow's tables, which take seconds to make, to be copied."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    file = tmp_path_factory.mktemp("contract") / "empty.db"
    SqlAlchemyStore(f"sqlite:///{file}")._dispose_engine()
    return file


@pytest.fixture(scope="module")
def empty_registries(
    postgres: EmbeddedStack, sqlite_template: Path
) -> Iterator[Callable[[str], list[str]]]:
    """Give the URIs of two empty registries of a dialect; MLflow makes the tables of both once."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    folder = sqlite_template.parent
    databases: list[str] = []

    def make_pair(dialect: str) -> list[str]:
        names = [f"contract_{uuid4().hex}" for _ in range(2)]
        if dialect == "sqlite":
            for name in names:
                shutil.copy(sqlite_template, folder / f"{name}.db")
            return [f"sqlite:///{folder}/{name}.db" for name in names]
        databases.extend(names)
        first, second = map(sql.Identifier, names)
        uris = [postgres.superuser_url(name).replace("sql:", "sql+psycopg:", 1) for name in names]
        with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(first))
            SqlAlchemyStore(uris[0])._dispose_engine()
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(second, first))
        return uris

    yield make_pair
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        for name in databases:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@pytest.fixture
def open_twins(
    empty_registries: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Twins]]:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    opened: list[Any] = []

    def open_pair(dialect: str, *, governed_models: str) -> Twins:
        monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
        monkeypatch.setenv("MUNIMENT_GOVERNED_MODELS", governed_models)
        monkeypatch.delenv("MUNIMENT_GOVERNED_ALIASES", raising=False)
        ours, peer = empty_registries(dialect)
        twins = Twins(governed_store(f"muniment+{ours}"), SqlAlchemyStore(peer))
        opened.extend((twins.ours, twins.peer))
        return twins

    yield open_pair
    for store in opened:
        store._dispose_engine()


@pytest.fixture
def tracking_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Any]:
    """MLflow's tracking store, which prompts are linked to."""
    from mlflow.tracking import _get_store
    from mlflow.tracking._tracking_service.utils import _use_tracking_uri

    tracking = shutil.copy(sqlite_template, tmp_path / "tracking.db")
    with _use_tracking_uri(f"sqlite:///{tracking}"):
        store = _get_store()
        yield store
        store._dispose_engine()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_with_no_governed_name_every_call_has_mlflows_outcome(
    dialect: str, open_twins: Callable[..., Twins], tracking_store: Any
) -> None:
    from mlflow.store.model_registry.abstract_store import AbstractStore
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    twins = open_twins(dialect, governed_models="nothing-has-this-name")
    assert type(twins.ours) is not type(twins.peer)
    assert isinstance(twins.ours, SqlAlchemyStore)
    drive_models(twins)
    drive_versions(twins)
    drive_prompts(twins)
    drive_links(twins, tracking_store)
    drive_webhooks(twins)
    # What a new MLflow adds is missing from the drives above until somebody has judged it.
    assert (
        twins.driven == set(public_methods(AbstractStore)) == set(public_methods(SqlAlchemyStore))
    )
    assert twins.compare_tables() > 30
    assert twins.outcomes["answer"] > 60
    assert twins.outcomes["MlflowException"] > 30


def test_the_comparison_sees_a_single_refusal(open_twins: Callable[..., Twins]) -> None:
    twins = open_twins("sqlite", governed_models="*")
    twins.succeed("create_registered_model", "m")
    twins.succeed("create_model_version", "m", "s3://bucket/model")
    with pytest.raises(AssertionError, match=r"ours .*PERMISSION_DENIED"):
        twins.drive("set_registered_model_alias", "m", "champion", "1")
    with pytest.raises(AssertionError):
        twins.compare_tables()
