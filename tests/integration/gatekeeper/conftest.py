"""A real MLflow server with the gatekeeper, and a small real counterpart of Muniment's ledger."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from muniment.grant import Grant, issue_grant
from tests.integration.gatekeeper.live import GrantCounter, GrantKey, MlflowServer
from tests.integration.gatekeeper.sql_guard import (
    GUARD,
    REMOVE,
    SET_UP,
    Guarded,
    mlflow_database,
    open_store,
)

if TYPE_CHECKING:
    from config.embedded import EmbeddedStack

REPOSITORY = Path(__file__).resolve().parents[3]
START_SECONDS = 120


@pytest.fixture(scope="session")
def grant_key(tmp_path_factory: pytest.TempPathFactory) -> GrantKey:
    return GrantKey.make(tmp_path_factory.mktemp("grant-key"))


@pytest.fixture(scope="session")
def running_counter(grant_key: GrantKey) -> Iterator[GrantCounter]:
    counter = GrantCounter(grant_key.public_key_pem)
    yield counter
    counter.stop()


@pytest.fixture
def counter(running_counter: GrantCounter) -> Iterator[GrantCounter]:
    running_counter.released.clear()
    yield running_counter
    running_counter.fault = ""
    running_counter.released.set()


@pytest.fixture(scope="session")
def guarded_mlflow(
    tmp_path_factory: pytest.TempPathFactory, grant_key: GrantKey, running_counter: GrantCounter
) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("mlflow")
    environment = {
        "MUNIMENT_URL": running_counter.url,
        "MUNIMENT_GRANT_PUBLIC_KEY_FILE": str(grant_key.public_key_file),
        "MUNIMENT_SOURCE": "main",
        "MUNIMENT_GOVERNED_MODELS": "gov-*",
        "MUNIMENT_GOVERNED_ALIASES": "champion, blessed",
    }
    options = [
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--registry-store-uri", f"muniment+sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", f"muniment+file://{folder}/artifacts"),
    ]
    with running_mlflow(folder, options, environment) as server:
        yield server


@contextmanager
def running_mlflow(
    folder: Path, options: Sequence[str], environment: Mapping[str, str]
) -> Iterator[MlflowServer]:
    """Run an MLflow server in ``folder``; its database is said to be ``mlflow.db`` there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "MUNIMENT_", "PYTEST_", "DJANGO_"))
    }
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", *options),
    ]
    log_file = folder / "server.log"
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            command,
            env=inherited
            | {
                "PYTHONPATH": str(REPOSITORY),
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            }
            | dict(environment),
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(f"{url}/health", server, log_file)
        yield MlflowServer(url, log_file, folder / "mlflow.db")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"MLflow did not start:\n{log_file.read_text()[-5_000:]}")


@pytest.fixture(scope="session")
def client(guarded_mlflow: MlflowServer) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=guarded_mlflow.url, registry_uri=guarded_mlflow.url)


@pytest.fixture
def make_token(grant_key: GrantKey) -> Callable[..., str]:
    """Issue a token for ``model``, valid for two minutes, with any member replaced."""

    def make(model: str, **members: Any) -> str:
        signer = members.pop("signer", grant_key.signer)
        granted: dict[str, Any] = {
            "grant_id": uuid4(),
            "source": "main",
            "model": model,
            "version": "1",
            "operation": "set_alias",
            "alias": "champion",
            "expires_at": datetime.now(UTC) + timedelta(minutes=2),
            "promotion_url": "http://muniment.test/promotions/7",
        }
        return issue_grant(Grant(**(granted | members)), signer)

    return make


@pytest.fixture(scope="session")
def guarded(postgres: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A database that a plain MLflow made and owned, before the guard came."""
    folder = tmp_path_factory.mktemp("guard")
    with mlflow_database(postgres.superuser_url, folder) as found:
        found.run(SET_UP)
        found.edit()
        found.run(GUARD)
        yield found
        found.run(REMOVE)


@pytest.fixture(scope="session")
def plain_mlflow(guarded: Guarded) -> Iterator[Any]:
    store = open_store(guarded, guarded.plain)
    yield store
    store._dispose_engine()


@pytest.fixture(scope="session")
def gatekeepers_mlflow(guarded: Guarded) -> Iterator[Any]:
    store = open_store(guarded, guarded.gatekeeper)
    yield store
    store._dispose_engine()


@pytest.fixture
def model(gatekeepers_mlflow: Any) -> str:
    """A governed model with two versions; version 1 is champion."""
    store, name = gatekeepers_mlflow, f"gov-{uuid4().hex}"
    store.create_registered_model(name)
    for _ in range(2):
        store.create_model_version(name, "s3://bucket/model")
    store.set_registered_model_alias(name, "champion", "1")
    return name


@pytest.fixture
def intruder(guarded: Guarded) -> Iterator[psycopg.Connection[Any]]:
    """A session of the role that everything but the guarded server has."""
    with closing(guarded.connect(guarded.plain)) as connection:
        yield connection
