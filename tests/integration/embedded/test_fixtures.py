"""What every database test stands on: a database of its own, real roles, real commits."""

from __future__ import annotations

import urllib.request

import psycopg
import pytest
from django.db import ProgrammingError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.models import SignatureAttempt, User
from config.embedded import EmbeddedStack

KEPT = "SELECT count(*) FROM accounts_user"


def answer(connection: BaseDatabaseWrapper, statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        return row[0] if row else None


@pytest.mark.parametrize("round_", [1, 2])
def test_each_test_finds_its_database_empty(
    committed_database: str, postgres: EmbeddedStack, round_: int
) -> None:
    assert not User.objects.exists()
    assert not SignatureAttempt.objects.exists()
    User.objects.create(username="u", printed_name="U", joined_at="2026-11-23T14:00:00Z")
    with psycopg.connect(postgres.superuser_url(committed_database)) as other:
        assert other.execute(KEPT).fetchone() == (1,)


@pytest.mark.parametrize(
    ("alias", "role"),
    [
        ("default", "muniment_runtime"),
        ("owner", "muniment_owner"),
        ("sequencer", "muniment_sequencer"),
    ],
)
def test_each_alias_is_its_role_in_the_same_database(
    committed_database: str, alias: str, role: str
) -> None:
    assert answer(connections[alias], "SELECT current_user") == role
    assert answer(connections[alias], "SELECT current_database()") == committed_database


def test_serving_role_may_not_change_the_schema(committed_database: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        answer(connections["default"], "CREATE TABLE t AS SELECT 1")


def test_application_is_served_over_http_from_that_database(live_url: str) -> None:
    with urllib.request.urlopen(f"{live_url}/healthz") as response:
        assert response.status == 200
