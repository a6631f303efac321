"""Fixtures for every test: real databases and servers, none of them shared with anything else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import django
import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

# Before Django is touched: this sets the environment that its settings read.
from tests.instance import INSTANCE
from tests.spread import pytest_xdist_auto_num_workers, pytest_xdist_make_scheduler

django.setup()

from django.core.cache import cache  # noqa: E402 - needs django.setup()
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connections  # noqa: E402

from config.embedded import EmbeddedStack  # noqa: E402
from config.embedded.roles import DATABASE, OWNER, open_to_roles  # noqa: E402

__all__ = ["pytest_xdist_auto_num_workers", "pytest_xdist_make_scheduler"]  # pytest's hooks

# A busy machine must not turn a law into a failure. Before any test is read: each takes it over.
hypothesis_settings.register_profile("unhurried", deadline=None)
hypothesis_settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    # A suite that is started in the background inherits that interrupts are ignored, and hands it
    # on to every stack that it starts and that is told to end by one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Workers inherit the environment, and each has an instance of its own: this one's ends here.
    if session.config.pluginmanager.hasplugin("dsession"):
        INSTANCE.close()


def pytest_unconfigure() -> None:
    INSTANCE.close()


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """Refuse pytest-django's own test database.

    Its rollbacks hide what happens at commit, and its flush is a TRUNCATE, which the tables of
    facts deny.
    """
    pytest.fail("this test asks for pytest-django's database: use committed_database instead")


@pytest.fixture(scope="session")
def postgres() -> EmbeddedStack:
    """Real PostgreSQL with its roles, one for the session."""
    return INSTANCE.require("postgres")


@pytest.fixture(scope="session")
def redis() -> EmbeddedStack:
    """Real Redis, one for the session; no worker reads its queues."""
    return INSTANCE.require("redis")


@pytest.fixture(scope="session")
def mlflow_server(postgres: EmbeddedStack) -> str:
    """A real MLflow server with Muniment's store, one for the session; its tracking URI.

    Its MUNIMENT_URL is where `live_url` serves.
    """
    return INSTANCE.require("mlflow").addresses.mlflow_url


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedStack, django_db_blocker: DjangoDbBlocker) -> str:
    """The name of a database with every migration applied, by the owner."""
    with django_db_blocker.unblock():
        call_command("migrate", database="owner", interactive=False, verbosity=0)
        connections.close_all()
    return DATABASE


@pytest.fixture(scope="session")
def world_template(
    postgres: EmbeddedStack,
    redis: EmbeddedStack,
    template_database: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """The name of a database with the small world in it: a test that asks for both starts there."""
    # Most of the product is imported for it, which the unit tests do without.
    from tests.integration.web.world_database import world_database

    with world_database(postgres, template_database, django_db_blocker) as name:
        yield name


@pytest.fixture
def committed_database(
    request: pytest.FixtureRequest,
    postgres: EmbeddedStack,
    redis: EmbeddedStack,
    template_database: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """A database of the test's own, where everything really commits; its name.

    `default` is the runtime role, `owner` the migrations' and `sequencer` the log writer's, as in
    production. Redis is emptied afterwards.
    """
    with_world = "world_template" in request.fixturenames
    template = request.getfixturevalue("world_template") if with_world else template_database
    with own_database(postgres, template, django_db_blocker) as name:
        yield name


@pytest.fixture
def live_url(committed_database: str) -> Iterator[str]:
    """Serve the web application on `committed_database`, where MLflow's store expects it."""
    INSTANCE.stack.home.release_port("web")
    with serving(INSTANCE.stack.home.claim_port("web")):
        yield INSTANCE.stack.addresses.web_url


@contextmanager
def serving(port: int = 0) -> Iterator[str]:
    """Serve the web application for as long as the block runs, at any free port without one."""
    server = ThreadedWSGIServer(("127.0.0.1", port), _SilentHandler)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: a test's output is the test's."""


@contextmanager
def own_database(postgres: EmbeddedStack, template: str, blocker: DjangoDbBlocker) -> Iterator[str]:
    """Point every connection to a new copy of `template` for as long as the block runs."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log OWNER {}").format(
                *map(sql.Identifier, (name, template, OWNER))
            )
        )
    # Who may connect is not copied with a template.
    with psycopg.connect(postgres.superuser_url(name)) as connection:
        open_to_roles(connection, name)
    with blocker.unblock():
        _point_connections_to(name)
        try:
            yield name
        finally:
            cache.clear()
            _point_connections_to(template)
            with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                )


def _point_connections_to(name: str) -> None:
    # In place: every thread's connections share these settings.
    connections.close_all()
    for alias in connections:
        connections.settings[alias]["NAME"] = name
