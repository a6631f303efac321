"""People and tokens on a database where everything commits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from accounts.services.people import add_person
from audits.domain.actor import SETUP
from audits.services.keys import enroll_keys

NOW = datetime.now(UTC) - timedelta(hours=1)
PASSWORD = "correct horse battery staple"
AddPerson = Callable[..., User]


@pytest.fixture
def add(committed_database: str, quick_passwords: None) -> AddPerson:
    """Add a person, as set-up does; the test changes what it is about."""
    enroll_keys(now=NOW)

    def person(username: str = "rita", **changed: Any) -> User:
        values: dict[str, Any] = {
            "username": username,
            "printed_name": f"{username.title()} Reyes",
            "password": PASSWORD,
            "roles": ["reviewer"],
            "actor": SETUP,
            "now": NOW,
        }
        return add_person(**(values | changed))

    return person
