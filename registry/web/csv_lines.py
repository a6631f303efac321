"""Tables as CSV, streamed line by line, with nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.http import StreamingHttpResponse

from registry.domain.moments import rfc3339

# What makes a spreadsheet read a cell as a formula; the wide forms are read so in some countries.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_answer(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """Answer with a table as a download called `name`.csv; rows are read while it is sent."""
    return StreamingHttpResponse(
        _lines(columns, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


class _Line:
    """What csv.writer writes to: it hands each line on instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = rfc3339(value) if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
