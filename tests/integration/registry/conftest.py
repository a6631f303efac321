"""The registry's services on a real database, and beside them a real MLflow server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.registry.live import LiveRegistry, empty_mlflow
from tests.integration.web.world import World, build_people, build_world, fresh_log


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hash passwords fast: the real hasher takes half a second by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def world(committed_database: str) -> World:
    """People, three versions of a model, a policy and evidence; MLflow is not asked."""
    return build_world()


@pytest.fixture
def live(mlflow_server: str, live_url: str) -> Iterator[LiveRegistry]:
    """An MLflow registry with nothing in it, Muniment serving, people and keys; no model yet."""
    empty_mlflow()
    fresh_log()
    with LiveRegistry(mlflow_server) as registry:
        build_people(registry.world)
        yield registry
