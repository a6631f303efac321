"""Pages over real HTTP requests, on a database where everything commits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.integration.web.world import World

Enter = Callable[[str], Client]


@pytest.fixture
def enter(world: World) -> Enter:
    """Give a signed-in client whose forms need their CSRF token, as a browser's do."""

    def sign_in(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[username], "django.contrib.auth.backends.ModelBackend")
        client.get("/policies/")
        return client

    return sign_in
