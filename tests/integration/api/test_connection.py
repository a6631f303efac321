"""A kept connection: found out when the server has ended it, and believed when it is only told."""

from __future__ import annotations

import psycopg
from django.db import connection

from config.embedded import EmbeddedStack


def test_a_connection_that_the_server_ended_is_no_more_used(
    committed_database: str, postgres: EmbeddedStack
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    assert connection.is_usable()
    with psycopg.connect(postgres.superuser_url(committed_database), autocommit=True) as other:
        other.execute("NOTIFY news")  # something to read, and nothing wrong
        assert connection.is_usable()
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert not connection.is_usable()
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() != (pid,)
