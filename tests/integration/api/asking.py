"""Asking over REST as somebody, with a token of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from accounts.services.tokens import issue_token
from tests.integration.web.world import World

Ask = Callable[..., Any]


def ask_over_rest(world: World, *usual: str) -> Ask:
    """Return what posts as somebody; without content it gets.

    Args:
        usual: the scopes of the token, where a test names no others.
    """

    def send(
        path: str, content: object = None, *, who: str, scopes: tuple[str, ...] = usual
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
