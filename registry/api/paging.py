"""Lists over REST, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers

PAGE_SIZE = 100
MAX_PAGE = 100_000
Row = TypeVar("Row", bound=Model)


class PageQuery(serializers.Serializer[None]):
    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=1)


class PageOutput(serializers.Serializer[None]):
    """What every page of a list says; `next_page` is null on the last, and past it."""

    schema_version = serializers.IntegerField()
    count = serializers.IntegerField(help_text="What the whole list holds.")
    next_page = serializers.IntegerField(allow_null=True)


def page_of(
    rows: QuerySet[Row], number: int, *, size: int = PAGE_SIZE
) -> tuple[Sequence[Row], dict[str, Any]]:
    """Return one page of rows, none past the last one, and what every page says."""
    count, start = rows.count(), (number - 1) * size
    has_more = start + size < count
    found = list(rows[start : start + size])
    return found, {"count": count, "next_page": number + 1 if has_more else None}
