"""Asking over REST and on pages, as somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from accounts.services.tokens import READ, RECOMPUTE, issue_token
from tests.integration.registry.live import LiveRegistry, empty_mlflow
from tests.integration.web.world import World, build_people, fresh_log


@pytest.fixture
def ask(world: World) -> Callable[..., Any]:
    """Post as somebody, with a token of theirs; without content, get."""

    def send(
        path: str, content: object = None, *, who: str, scopes: tuple[str, ...] = (READ, RECOMPUTE)
    ) -> Any:
        person = world.people[who]
        secret = issue_token(
            user=person,
            name="tests",
            scopes=scopes,
            ttl_seconds=3_600,
            actor=actor_of(person),
            now=timezone.now(),
        )
        headers = {"Authorization": f"Bearer {secret}"}
        if content is None:
            return Client().get(path, headers=headers)
        return Client().post(path, content, content_type="application/json", headers=headers)

    return send


@pytest.fixture
def enter(world: World) -> Callable[[str], Client]:
    """Give a signed-in client whose forms need their CSRF token, as a browser's do."""

    def sign_in(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[username], "django.contrib.auth.backends.ModelBackend")
        client.get("/policies/")
        return client

    return sign_in


@pytest.fixture
def live(mlflow_server: str, live_url: str, quick_passwords: None) -> Iterator[LiveRegistry]:
    """An MLflow registry with nothing in it, Muniment serving, people and keys; no model yet."""
    empty_mlflow()
    fresh_log()
    with LiveRegistry(mlflow_server) as registry:
        build_people(registry.world)
        yield registry
