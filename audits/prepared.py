"""Statements that are asked with every request: PostgreSQL plans them once a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from django.db import connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def fetch_rows(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Ask a statement with named parameters; return all of its rows.

    Django puts parameters into the text, so that no two statements are the same to the server and
    each is planned anew, which takes longer than answering. Here they are sent beside it.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    if connection.queries_logged:  # Django finds the text that it logs in its own cursors alone
        cursor: Any = connection.cursor()
    else:
        bound: Any = psycopg.Cursor(connection.connection)
        cursor = connection.make_cursor(bound)
    with cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def columns_of(model: type[Model], table: str) -> str:
    """Return what to select of a table, under the name it has in the statement, for `from_row`."""
    return ", ".join(f'{table}."{field.column}"' for field in model._meta.concrete_fields)


def from_row(model: type[Row], row: Sequence[Any]) -> Row:
    """Return the object whose `columns_of` a row begins with."""
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db("default", names, row[: len(names)])
