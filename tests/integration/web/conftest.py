"""Pages over real HTTP requests, on a database where everything commits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.integration.web.world import PASSWORD, World, build_world


@pytest.fixture
def world(committed_database: str) -> World:
    """People, three versions of a model, a policy and evidence; see `build_world`."""
    return build_world()


@pytest.fixture
def sign_in(world: World) -> Callable[[str], Client]:
    """Sign in through the form, as people and scripts do, with CSRF enforced."""

    def enter(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.get("/sign-in")
        answer = client.post(
            "/sign-in",
            {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token(client)},
        )
        assert answer.status_code == 302, answer.content
        return client

    return enter


def token(client: Client) -> str:
    """Return the CSRF token that a form of this client would carry."""
    from django.conf import settings

    return str(client.cookies[settings.CSRF_COOKIE_NAME].value)
