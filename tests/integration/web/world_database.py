"""The world of page tests as a template database: built once, copied for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from django.db import connections
from django.test import override_settings
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from config.embedded import EmbeddedStack
from config.embedded.roles import OWNER, open_to_roles
from tests.integration.web.world import build_world

# The real hasher takes half a second by design, and these tests sign in all the time.
QUICK_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@contextmanager
def world_database(
    postgres: EmbeddedStack,
    migrated: str,
    blocker: DjangoDbBlocker,
    build: Callable[[], object] = build_world,
) -> Iterator[str]:
    """Build a world in a copy of the migrated database; give its name while it is there."""
    name = f"pages_{uuid4().hex}"
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log OWNER {}").format(
                *map(sql.Identifier, (name, migrated, OWNER))
            )
        )
    with psycopg.connect(postgres.superuser_url(name)) as connection:
        open_to_roles(connection, name)
    before = {alias: connections.settings[alias]["NAME"] for alias in connections}
    with blocker.unblock(), override_settings(PASSWORD_HASHERS=QUICK_HASHERS):
        connections.close_all()
        for alias in connections:
            connections.settings[alias]["NAME"] = name
        build()
        # A database that somebody is connected to cannot be copied.
        connections.close_all()
        for alias, database in before.items():
            connections.settings[alias]["NAME"] = database
    try:
        yield name
    finally:
        with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )
