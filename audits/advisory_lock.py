"""One at a time, across every process: PostgreSQL's advisory locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections


@contextmanager
def try_advisory_lock(key: int, *, using: str = "default") -> Iterator[bool]:
    """Hold a lock if nobody else does; say whether.

    It ends with the connection, however that ends.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        is_held = bool(cursor.fetchone()[0])
    try:
        yield is_held
    finally:
        # A broken connection has given the lock back already, and can say nothing more.
        if is_held and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


@contextmanager
def advisory_lock(key: int, *, using: str = "default") -> Iterator[None]:
    """Hold a lock, after waiting for whoever holds it. It ends with the connection."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
