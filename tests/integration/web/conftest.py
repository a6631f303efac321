"""Pages over real HTTP requests, on a database where everything commits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.services.people import add_person
from audits.domain.actor import SETUP
from tests.integration.web.world import PASSWORD, World

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


@pytest.fixture
def ada(world: World, enter: Enter) -> Client:
    """An admin, beside whom there is a second one."""
    world.people["admin2"] = add_person(
        username="admin2",
        printed_name="Abe Adams",
        password=PASSWORD,
        roles=["admin"],
        actor=SETUP,
        now=world.tick(),
    )
    return enter("admin")
