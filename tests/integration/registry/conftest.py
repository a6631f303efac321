"""The registry's services on a real database, and beside them a real MLflow server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.registry.live import LiveRegistry, empty_mlflow
from tests.integration.web.world import build_people, fresh_log


@pytest.fixture
def live(mlflow_server: str, live_url: str, quick_passwords: None) -> Iterator[LiveRegistry]:
    """An MLflow registry with nothing in it, Muniment serving, people and keys; no model yet."""
    empty_mlflow()
    fresh_log()
    with LiveRegistry(mlflow_server) as registry:
        build_people(registry.world)
        yield registry
