"""People with addresses, and a real mail server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import Notice, User
from accounts.services.notices import post_notice
from audits.models import Alarm
from config.embedded import EmbeddedStack
from tests.conftest import own_database
from tests.integration.notices.postbox import Postbox, open_postbox

JOINED = datetime.now(UTC) - timedelta(days=2)
NOW = datetime.now(UTC) - timedelta(hours=1)
People = dict[str, User]
Post = Callable[..., Notice]


@pytest.fixture(scope="module")
def committed_database(
    postgres: EmbeddedStack,
    redis: EmbeddedStack,
    template_database: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """One database for a module here: no fact is written to it, so `people` can empty it."""
    with own_database(postgres, template_database, django_db_blocker) as name:
        yield name


@pytest.fixture
def people(committed_database: str) -> People:
    """Two admins, an auditor, a reviewer and somebody without a role; each has an address.

    Nobody else, no notice and no alarm is in the database.
    """
    for rows in (Notice, User, Alarm):
        rows.objects.all().delete()
    # Not through add_person, which states each in the log: nothing here is about the log.
    roles = {"ada": ["admin"], "amos": ["admin"], "audrey": ["auditor"], "rita": ["reviewer"]}
    return {
        name: User.objects.create(
            username=name,
            printed_name=name.title(),
            email=f"{name}@bank.example",
            roles=roles.get(name, []),
            joined_at=JOINED,
        )
        for name in (*roles, "nobody")
    }


@pytest.fixture
def post(people: People) -> Post:
    """Post a notice to admins; the test changes what it is about."""

    def make(**changed: Any) -> Notice:
        values: dict[str, Any] = {
            "kind": "log",
            "subject": "The log has stopped.",
            "text": "Look at the sequencer.",
            "path": "/log/health",
            "audience": ["admin"],
            "dedup_key": "test:1",
            "now": NOW,
        }
        return post_notice(**(values | changed))

    return make


@pytest.fixture
def postbox(settings: Settings) -> Iterator[Postbox]:
    """A mail server, which Muniment is told of."""
    with open_postbox() as box:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        settings.EMAIL_USE_TLS = False
        settings.EMAIL_TIMEOUT = 5
        settings.MUNIMENT_URL = "https://muniment.bank.example"
        yield box
