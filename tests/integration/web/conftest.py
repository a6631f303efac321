"""Pages over real HTTP requests, on a database where everything commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.plugin import DjangoDbBlocker

from config.embedded import EmbeddedStack
from tests.integration.web.world import World, load_world
from tests.integration.web.world_database import QUICK_HASHERS, world_database

Enter = Callable[[str], Client]


@pytest.fixture(scope="session")
def template_database(
    postgres: EmbeddedStack,
    redis: EmbeddedStack,
    template_database: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """In this folder a test's own database starts with the world in it."""
    with world_database(postgres, template_database, django_db_blocker) as name:
        yield name


@pytest.fixture
def world(committed_database: str, settings: Settings) -> World:
    """People, three versions of a model, a policy and evidence; see `build_world`."""
    settings.PASSWORD_HASHERS = QUICK_HASHERS
    return load_world()


@pytest.fixture
def enter(world: World) -> Enter:
    """Give a signed-in client whose forms need their CSRF token, as a browser's do."""

    def sign_in(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[username], "django.contrib.auth.backends.ModelBackend")
        client.get("/policies/")
        return client

    return sign_in
