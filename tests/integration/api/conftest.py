"""The REST API over real requests, on a database where everything commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from accounts.services.tokens import READ, issue_token
from tests.integration.web.world import World

Ask = Callable[..., HttpResponse]


@pytest.fixture
def ask(world: World) -> Ask:
    """Ask as somebody, with a token of theirs; `None` asks without one."""
    tokens: dict[str, str] = {}

    def send(path: str, *, who: str | None = "engineer", method: str = "get", **more: Any) -> Any:
        headers = dict(more.pop("headers", {}))
        if who is not None:
            if who not in tokens:
                person = world.people[who]
                tokens[who] = issue_token(
                    user=person,
                    name="tests",
                    scopes=[READ],
                    ttl_seconds=3_600,
                    actor=actor_of(person),
                    now=timezone.now(),
                )
            headers.setdefault("Authorization", f"Bearer {tokens[who]}")
        return getattr(Client(), method)(path, headers=headers, **more)

    return send
