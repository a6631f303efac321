"""The registry's services on a real database, and beside them a real MLflow server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry.models import Promotion, RegistrySource
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import (
    MODEL,
    LiveRegistry,
    behind_the_back,
    empty_mlflow,
    set_alias_behind_the_back,
)
from tests.integration.web.world import build_people, fresh_log


@pytest.fixture
def live(mlflow_server: str, live_url: str, quick_passwords: None) -> Iterator[LiveRegistry]:
    """An MLflow registry with nothing in it, Muniment serving, people and keys; no model yet."""
    empty_mlflow()
    fresh_log()
    with LiveRegistry(mlflow_server) as registry:
        build_people(registry.world)
        yield registry


@pytest.fixture
def forwarder(live: LiveRegistry, settings: Any) -> Iterator[Forwarder]:
    """Between Muniment and MLflow from now on; it counts, and it can fail."""
    with Forwarder(live.url) as between:
        settings.MLFLOW_TRACKING_URI = between.url
        yield between


@pytest.fixture
def sealed(live: LiveRegistry) -> Promotion:
    """A promotion whose two approvals stand under a checkpoint."""
    promotion = live.approved()
    live.world.sequence()
    return promotion


@pytest.fixture
def watched(live: LiveRegistry) -> LiveRegistry:
    """A registry with a champion and a governed tag, adopted, whose violations are reverted."""
    live.new_model()
    for _ in (1, 2):
        live.new_version()
    set_alias_behind_the_back("champion", 1)
    behind_the_back(
        "INSERT INTO model_version_tags (workspace, name, version, key, value)"
        " VALUES ('default', %s, 1, 'muniment.tier', 'high')",
        MODEL,
    )
    live.walk()
    RegistrySource.objects.update(on_violation="revert")
    return live
