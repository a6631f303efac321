"""Rollback grants on PostgreSQL: several MLflow servers on one database, and one that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import flask
import psycopg
import pytest
from psycopg import sql

from muniment.grant import HEADER
from muniment.mlflow import governed_store
from tests.integration.gatekeeper.live import GrantKey

if TYPE_CHECKING:
    from config.embedded import EmbeddedStack

pytestmark = pytest.mark.timeout(120)

BACK = {"operation": "rollback_alias", "version": "1", "from_version": "2"}


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedStack) -> Iterator[str]:
    """The URL of an empty database, without its scheme."""
    name = f"rollback_{uuid4().hex}"
    identifier = sql.Identifier(name)
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    yield postgres.superuser_url(name).partition("://")[2]
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest.fixture
def open_server(
    database_url: str, grant_key: GrantKey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """Open the store as one more MLflow server would; there is no Muniment."""
    for variable in ("MUNIMENT_GOVERNED_MODELS", "MUNIMENT_GOVERNED_ALIASES", "MUNIMENT_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MUNIMENT_GRANT_PUBLIC_KEY_FILE", str(grant_key.public_key_file))
    monkeypatch.setenv("MUNIMENT_SOURCE", "main")
    opened: list[Any] = []

    def open_one() -> Any:
        # MLflow shares its connections among stores of one URL, as no two servers do.
        mark = f"{'&' if '?' in database_url else '?'}application_name={uuid4().hex}"
        opened.append(governed_store(f"muniment+postgresql://{database_url}{mark}"))
        return opened[-1]

    yield open_one
    for store in opened:
        store._dispose_engine()


@pytest.fixture
def name(open_server: Callable[[], Any], database_url: str) -> str:
    """A model whose champion is version 2."""
    name, store = f"model-{uuid4().hex}", open_server()
    store.create_registered_model(name)
    for _ in range(2):
        store.create_model_version(name, "s3://bucket/model")
    with psycopg.connect(f"postgresql://{database_url}", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
            " VALUES ('default', %s, 'champion', 2)",
            (name,),
        )
    return name


def roll_back(store: Any, name: str, token: str) -> str:
    """Ask for the move as a request with the token does; return what came of it."""
    from mlflow.exceptions import MlflowException

    with flask.Flask("mlflow").test_request_context(headers={HEADER: token}):
        try:
            store.set_registered_model_alias(name, "champion", "1")
        except MlflowException as error:
            return f"{error.error_code}: {error.message}"
    return "moved"


def test_one_grant_at_several_servers_at_once_moves_the_alias_once(
    open_server: Callable[[], Any], make_token: Callable[..., str], name: str
) -> None:
    stores, token = [open_server() for _ in range(4)], make_token(name, **BACK)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda store: roll_back(store, name, token), stores * 2))
    assert answers.count("moved") == 1
    refused = [answer for answer in answers if answer != "moved"]
    assert all(answer.startswith("PERMISSION_DENIED") for answer in refused), refused
    assert len(stores[0].get_registered_model(name).tags) == 1


def test_of_two_grants_at_two_servers_the_second_is_not_used_up(
    open_server: Callable[[], Any], make_token: Callable[..., str], name: str
) -> None:
    pairs = [(open_server(), make_token(name, **BACK)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda pair: roll_back(pair[0], name, pair[1]), pairs))
    assert sorted(answer.partition(":")[0] for answer in answers) == ["PERMISSION_DENIED", "moved"]
    assert len(pairs[0][0].get_registered_model(name).tags) == 1


def test_a_server_killed_between_counting_and_moving_has_done_neither(
    open_server: Callable[[], Any], make_token: Callable[..., str], name: str, database_url: str
) -> None:
    token = make_token(name, **BACK)
    killed = multiprocessing.get_context("fork").Process(
        target=lambda: roll_back(open_server(), name, token), daemon=True
    )
    with psycopg.connect(f"postgresql://{database_url}") as holder:
        # Whoever holds the alias's row lets the tag be written, and the move wait.
        holder.execute("SELECT 1 FROM registered_model_aliases WHERE name = %s FOR UPDATE", (name,))
        killed.start()
        assert killed.pid is not None
        wait_until_blocked(database_url)
        os.kill(killed.pid, signal.SIGKILL)
        killed.join(10)
        assert killed.exitcode == -signal.SIGKILL
    survivor = open_server()
    found = survivor.get_registered_model(name)
    assert (found.aliases, found.tags) == ({"champion": 2}, {})
    assert roll_back(survivor, name, token) == "moved"
    found = survivor.get_registered_model(name)
    assert found.aliases == {"champion": 1}
    assert len(found.tags) == 1
    assert "was used before" in roll_back(survivor, name, token)


def wait_until_blocked(database_url: str) -> None:
    """Wait until somebody's UPDATE of an alias waits for a lock."""
    deadline = time.monotonic() + 30
    with psycopg.connect(f"postgresql://{database_url}", autocommit=True) as connection:
        while time.monotonic() < deadline:
            blocked = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND query LIKE 'UPDATE registered_model_aliases%'"
            ).fetchone()
            if blocked and blocked[0]:
                return
            time.sleep(0.05)
    raise AssertionError("nobody came to wait for the alias")
