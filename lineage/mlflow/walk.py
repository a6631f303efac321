"""Whole lists out of MLflow's pages, prompts included."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Final, TypeVar

from lineage.errors import MlflowGarbage
from lineage.mlflow import parsing
from lineage.mlflow.transport import Transport
from muniment.governed import PROMPT_TAG

Row = TypeVar("Row")

_PROMPTS: Final = f"tags.`{PROMPT_TAG}` = 'true'"
_MAX_PAGES: Final = 1_000
_MAX_PAGE_BYTES: Final = 512 * 1024 * 1024


def walk(
    transport: Transport,
    path: str,
    *,
    rows: str,
    page_size: int,
    parse: Callable[[Mapping[str, Any]], Row],
    key: Callable[[Row], Hashable],
) -> tuple[Row, ...]:
    """Return every row of a registry search: what it shows by itself, then the prompts.

    Raises:
        MlflowGarbage: a row that cannot be read: a walk is whole or it is nothing.
    """
    # By key: a row that moves between two pages while we walk is one row.
    found: dict[Hashable, Row] = {}
    for query in ({}, {"filter": _PROMPTS}):
        for page in pages(transport, path, {"max_results": str(page_size), **query}):
            for raw in parsing.rows_of(page, rows):
                row = parse(raw)
                found[key(row)] = row
    return tuple(found.values())


def pages(transport: Transport, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the pages of a list.

    Raises:
        MlflowGarbage: it does not end.
    """
    token = ""
    for _ in range(_MAX_PAGES):
        asked = {**query, "page_token": token} if token else query
        page = transport.get_json(path, asked, max_bytes=_MAX_PAGE_BYTES)
        yield page
        following = parsing.page_token(page)
        if not following:
            return
        if following == token:
            break
        token = following
    raise MlflowGarbage("MLflow's list does not end.")
