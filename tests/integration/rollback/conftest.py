"""Rollback grants in a world whose champion came by two promotions, built once and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from config.embedded import EmbeddedStack
from tests.integration.rollback.story import twice_promoted
from tests.integration.web.world import World, load_world
from tests.integration.web.world_database import world_database


@pytest.fixture(scope="session")
def template_database(
    postgres: EmbeddedStack,
    redis: EmbeddedStack,
    template_database: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """In this folder a test's own database starts with the world in it."""
    with world_database(postgres, template_database, django_db_blocker, twice_promoted) as name:
        yield name


@pytest.fixture
def world(committed_database: str, quick_passwords: None) -> World:
    """Version 3 is champion after version 2; version 1 was it before Muniment watched."""
    return load_world()


@pytest.fixture
def enter(world: World) -> Callable[[str], Client]:
    """Give a signed-in client whose forms need their CSRF token, as a browser's do."""

    def sign_in(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[username], "django.contrib.auth.backends.ModelBackend")
        client.get("/policies/")
        return client

    return sign_in
