"""An evaluation set's file: checked when it is registered, taken apart when a model is asked.

Rows come out in the file's own order every time, so that what a model says of the n-th row can be
put beside the n-th label.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audits.domain.evaluation_set import SetColumns
from audits.predictions.cells import PredictionColumns, PredictionsError
from audits.predictions.reading import count_cells
from audits.predictions.source import Refused, Source, first_line, identifier, open_source

MEMORY_LIMIT: Final = "1GB"
# Rows times features: they travel into the sandbox as one document.
MAX_VALUES: Final = 5_000_000
PARQUET: Final = "application/vnd.apache.parquet"
CSV: Final = "text/csv"
_WHOLE: Final = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_REAL: Final = frozenset({"FLOAT", "DOUBLE"})


class SetUnusable(Exception):
    """An evaluation set's file cannot be used as asked; `reasons` say why, in sentences."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What was found in a file that may become an evaluation set."""

    rows: int
    media: str


def check_file(path: Path, columns: SetColumns) -> CheckedFile:
    """Check that a Parquet or CSV file can be an evaluation set with these columns.

    Raises:
        SetUnusable: it cannot be read, has no rows or too many values, lacks a column, its label
            is anything but 0 and 1, a row id is blank or given twice, or a column of groups has
            more than 100.
    """
    with _opened(path) as source:
        missing = [name for name in columns.names if name not in source.types]
        if missing:
            raise SetUnusable(*(f"column {name} is missing" for name in missing))
        rows = int(str(source.rows("SELECT count(*) FROM predictions")[0][0]))
    if not rows:
        raise SetUnusable("the file has no rows")
    with tempfile.TemporaryDirectory(prefix="muniment-evaluation-set-") as folder:
        # As an audit will read it, of a model that refuses everybody.
        tried = Path(folder, "tried.parquet")
        counted = count_cells(
            tried, write_predictions(path, columns, {"prediction": [0] * rows}, tried)
        )
    if isinstance(counted, PredictionsError):
        raise SetUnusable(*dict.fromkeys(counted.reasons))
    if counted.n * len(columns.features) > MAX_VALUES:
        raise SetUnusable(
            f"{counted.n:,} rows of {len(columns.features)} features are more than "
            f"{MAX_VALUES:,} values; take fewer rows"
        )
    with path.open("rb") as file:
        media = PARQUET if file.read(4) == b"PAR1" else CSV
    return CheckedFile(counted.n, media)


def write_table(path: Path, inputs: Sequence[dict[str, str]], target: Path) -> None:
    """Write the columns that a model is given, and no others, as ``predict()`` takes them.

    Args:
        inputs: ``{"name", "type"}`` of each column, by the model's signature; a type that is empty
            is taken from the values.

    Raises:
        SetUnusable: a value is not of the type that the model asks for.
    """
    with _opened(path) as source:
        kinds = [one["type"] or _kind_of(source, one["name"]) for one in inputs]
        named = [one["name"] for one in inputs]
        _require_types(source, list(zip(named, kinds, strict=True)))
        asked = ", ".join(_value_sql(*one) for one in zip(named, kinds, strict=True))
        rows = source.rows(f"SELECT {asked} FROM predictions")  # noqa: S608 - quoted
    table = [
        {"name": name, "type": kind, "values": [row[place] for row in rows]}
        for place, (name, kind) in enumerate(zip(named, kinds, strict=True))
    ]
    target.write_text(json.dumps(table, allow_nan=False), encoding="utf-8")


def write_predictions(
    path: Path,
    columns: SetColumns,
    answers: Mapping[str, Sequence[float]],
    target: Path,
    *,
    more: Sequence[str] = (),
) -> PredictionColumns:
    """Write a model's answers beside the labels and groups of the set, row by row, to be audited.

    Args:
        answers: ``prediction``, ``score`` or both, a number for each row.
        more: columns of the set that the audit reads besides: weights, persons.

    Raises:
        SetUnusable: there is not one answer for each row, or one of `more` is not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    row_id = () if columns.row_id is None else (columns.row_id,)
    names = list(dict.fromkeys((columns.label, *columns.groups, *row_id, *more)))
    with _opened(path) as source:
        missing = [name for name in names if name not in source.types]
        if missing:
            raise SetUnusable(*(f"column {name} is missing" for name in missing))
        asked = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in names)
        rows = source.rows(f"SELECT {asked} FROM predictions")  # noqa: S608 - quoted
    arrays: dict[str, Any] = {
        name: pa.array([row[place] for row in rows], type=pa.string())
        for place, name in enumerate(names)
    }
    for name, values in answers.items():
        if len(values) != len(rows):
            raise SetUnusable(f"{len(values):,} answers are not one for each of {len(rows):,} rows")
        arrays[name] = pa.array(values)
    pq.write_table(pa.table(arrays), target)
    return PredictionColumns(columns.groups, columns.row_id, columns.label)


@contextmanager
def _opened(path: Path) -> Iterator[Source]:
    import duckdb

    try:
        with open_source(path, MEMORY_LIMIT) as source:
            yield source
    except Refused as refused:
        raise SetUnusable(*refused.reasons) from refused
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        raise SetUnusable(f"the file cannot be read: {first_line(error)}") from error


def _kind_of(source: Source, name: str) -> str:
    kind = source.types[name]
    if kind in _WHOLE:
        return "long"
    if kind in _REAL or kind.startswith("DECIMAL"):
        return "double"
    if kind == "BOOLEAN":
        return "boolean"
    # A CSV says of nothing what it is.
    return "string" if _wrong(source, name, "double") else "double"


def _require_types(source: Source, wanted: Sequence[tuple[str, str]]) -> None:
    faults = [
        f"column {name} is no {kind} in {wrong:,} rows, which the model asks for"
        for name, kind in wanted
        if (wrong := _wrong(source, name, kind))
    ]
    if faults:
        raise SetUnusable(*faults)


def _wrong(source: Source, name: str, kind: str) -> int:
    """Count the values that are not blank and not of a type."""
    counted = source.rows(
        f"SELECT count(*) FROM predictions WHERE NOT {_blank_sql(name)} "  # noqa: S608 - quoted
        f"AND {_value_sql(name, kind)} IS NULL"
    )
    return int(str(counted[0][0]))


def _blank_sql(name: str) -> str:
    column = identifier(name)
    text = f"trim(CAST({column} AS VARCHAR))"
    return f"coalesce({column} IS NULL OR {text} = '' OR isnan(TRY_CAST({text} AS DOUBLE)), false)"


def _value_sql(name: str, kind: str) -> str:
    """Return SQL that reads a value as a type, and NULL where it is blank or of no such type."""
    column = identifier(name)
    text = f"trim(CAST({column} AS VARCHAR))"
    number = f"TRY_CAST({text} AS DOUBLE)"
    read = {
        "double": f"CASE WHEN isfinite({number}) THEN {number} END",
        "float": f"CASE WHEN isfinite({number}) THEN {number} END",
        "long": f"CASE WHEN {number} = floor({number}) THEN TRY_CAST({number} AS BIGINT) END",
        "integer": f"CASE WHEN {number} = floor({number}) THEN TRY_CAST({number} AS INTEGER) END",
        "boolean": f"TRY_CAST({text} AS BOOLEAN)",
    }.get(kind, f"CAST({column} AS VARCHAR)")
    return f"CASE WHEN {_blank_sql(name)} THEN NULL ELSE {read} END"
