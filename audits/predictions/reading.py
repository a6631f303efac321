"""Count a predictions file into cells, or say why it cannot be counted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from audits.domain.names import INTERSECTION, canonical_group
from audits.predictions.cells import Cell, Cells, PredictionColumns, PredictionsError
from audits.predictions.source import (
    Refused,
    Source,
    first_line,
    identifier,
    open_source,
)

MEMORY_LIMIT = "1GB"
MAX_GROUPS = 100
MAX_GROUP_NAME = 100
_MAX_CELLS = 40_000
_BATCH_ROWS = 100_000

_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_MISSING, _NAN, _OTHER = 2, 3, 4


def count_cells(
    path: str | os.PathLike[str],
    columns: PredictionColumns,
    *,
    memory_limit: str = MEMORY_LIMIT,
) -> Cells | PredictionsError:
    """Count a Parquet or CSV file into cells by group, label and prediction.

    Columns are streamed: memory does not grow with the rows. Blank and null groups, and every
    spelling of unknown, become ``unknown``. CSV is comma-separated with a header, UTF-8.

    Returns:
        The cells; or `PredictionsError` for a file that cannot be read, has no rows or lacks a
        column, a label or prediction that is blank, NaN or anything but 0 and 1, a row_id that is
        blank, fractional or given twice, or more than 100 groups in a column.
    """
    import duckdb

    try:
        with open_source(Path(path), memory_limit) as source:
            _require_columns(source, columns)
            counted = _count(source, columns)
            digest = None
            if columns.row_id is not None:
                digest = _digest_rows(source, columns.row_id, columns.label)
            return Cells(columns.groups, counted, digest)
    except Refused as refused:
        return PredictionsError(refused.reasons)
    except duckdb.OutOfMemoryException:
        return PredictionsError((f"the file needs more than {memory_limit} of memory to be read",))
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        return PredictionsError((f"the file cannot be read: {first_line(error)}",))


def _require_columns(source: Source, columns: PredictionColumns) -> None:
    wanted = [columns.label, columns.prediction, *columns.groups]
    if columns.row_id is not None:
        wanted.insert(0, columns.row_id)
    missing = [name for name in wanted if name not in source.types]
    if missing:
        raise Refused(*(f"column {name} is missing" for name in missing))


def _count(source: Source, columns: PredictionColumns) -> tuple[Cell, ...]:
    label = _outcome_sql(source, columns.label)
    prediction = _outcome_sql(source, columns.prediction)
    groups = [_group_sql(source, name) for name in columns.groups]
    counted = source.rows(
        f"SELECT {', '.join([label, prediction, *groups, 'count(*)'])} "  # noqa: S608 - quoted
        f"FROM predictions GROUP BY ALL LIMIT {_MAX_CELLS + 1}"
    )
    if not counted:
        raise Refused("the file has no rows")
    if len(counted) > _MAX_CELLS:
        raise Refused(f"the group columns have more than {MAX_GROUPS} groups")
    faults = [
        *_outcome_faults(source, columns.label, label, [(row[0], row[-1]) for row in counted]),
        *_outcome_faults(
            source,
            columns.prediction,
            prediction,
            [(row[1], row[-1]) for row in counted],
        ),
    ]
    cells: dict[tuple[tuple[str, ...], int, int], int] = {}
    for row in counted:
        names = tuple(canonical_group(None if name is None else str(name)) for name in row[2:-1])
        key = (names, _integer(row[0]), _integer(row[1]))
        cells[key] = cells.get(key, 0) + _integer(row[-1])
    for place, column in enumerate(columns.groups):
        faults += _group_faults(column, {key[0][place] for key in cells})
    if faults:
        raise Refused(*faults)
    return tuple(Cell(*key, n) for key, n in sorted(cells.items()))


def _outcome_sql(source: Source, column: str) -> str:
    """Return SQL that reads an outcome as 0, 1, or a code for what is wrong with it."""
    name, kind = identifier(column), source.types[column]
    if kind == "BOOLEAN":
        return f"CASE WHEN {name} IS NULL THEN {_MISSING} WHEN {name} THEN 1 ELSE 0 END"
    if kind in _INTEGERS or kind.startswith("DECIMAL"):
        number, blank, nan = name, f"{name} IS NULL", "false"
    elif kind in _FLOATS:
        number, blank, nan = name, f"{name} IS NULL", f"isnan({name})"
    elif kind == "VARCHAR" or kind.startswith("ENUM"):
        text = f"lower(trim(CAST({name} AS VARCHAR)))"
        number = (
            f"CASE {text} WHEN 'true' THEN 1 WHEN 'false' THEN 0 "
            f"ELSE TRY_CAST({text} AS DOUBLE) END"
        )
        blank, nan = (
            f"{name} IS NULL OR {text} = ''",
            f"coalesce(isnan({number}), false)",
        )
    else:
        raise Refused(f"column {column} holds {kind.split('(')[0]} values, not 0 and 1")
    return (
        f"CASE WHEN {blank} THEN {_MISSING} WHEN {nan} THEN {_NAN} "
        f"WHEN {number} = 0 THEN 0 WHEN {number} = 1 THEN 1 ELSE {_OTHER} END"
    )


def _outcome_faults(
    source: Source, column: str, sql: str, counted: list[tuple[object, object]]
) -> list[str]:
    total = sum(_integer(n) for _, n in counted)
    wrong = {
        code: sum(_integer(n) for found, n in counted if found == code)
        for code in (_MISSING, _NAN, _OTHER)
    }
    faults = []
    for code, words in ((_MISSING, "is blank"), (_NAN, "is NaN")):
        if wrong[code]:
            faults.append(f"column {column} {words} in {wrong[code]:,} of {total:,} rows")
    if wrong[_OTHER]:
        example = source.rows(
            f"SELECT CAST({identifier(column)} AS VARCHAR) FROM predictions "  # noqa: S608 - quoted
            f"WHERE {sql} = {_OTHER} LIMIT 1"
        )
        faults.append(
            f"column {column} holds {str(example[0][0])[:40]!r}; only 0 and 1 are known "
            f"({wrong[_OTHER]:,} of {total:,} rows)"
        )
    return faults


def _group_sql(source: Source, column: str) -> str:
    name, kind = identifier(column), source.types[column]
    if kind in _FLOATS:
        return f"CASE WHEN isnan({name}) THEN NULL ELSE CAST({name} AS VARCHAR) END"
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "BLOB", "VARIANT")):
        raise Refused(f"column {column} holds {kind.split('(')[0]} values, not names of groups")
    return f"CAST({name} AS VARCHAR)"


def _group_faults(column: str, names: set[str]) -> list[str]:
    if len(names) > MAX_GROUPS:
        return [f"column {column} has more than {MAX_GROUPS} groups"]
    faults = []
    if any(len(name) > MAX_GROUP_NAME for name in names):
        faults.append(f"column {column} has a group name of more than {MAX_GROUP_NAME} characters")
    if any(INTERSECTION in name for name in names):
        # "A × B" beside "A" and "B" would make two different intersections look the same.
        faults.append(f"column {column} has a group name with '{INTERSECTION.strip()}' in it")
    return faults


def _digest_rows(source: Source, row_id: str, label: str) -> str:
    """Hash the (row_id, label) pairs in order of row_id, refusing blanks and repeats on the way."""
    name, kind = identifier(row_id), source.types[row_id]
    whole = f"TRY_CAST({name} AS BIGINT)"
    if kind == "VARCHAR":
        # A cast would round "1.5"; only digits are a whole number.
        digits = f"regexp_full_match(trim({name}), '-?[0-9]+')"
        whole = f"CASE WHEN {digits} THEN TRY_CAST(trim({name}) AS BIGINT) END"
    elif kind in _FLOATS or kind.startswith("DECIMAL"):
        whole = f"CASE WHEN {name} = floor({name}) THEN TRY_CAST({name} AS BIGINT) END"
    elif kind not in _INTEGERS:
        raise Refused(f"column {row_id} holds {kind.split('(')[0]} values, not whole numbers")
    bad = source.rows(
        f"SELECT count(*) FROM predictions WHERE {whole} IS NULL"  # noqa: S608 - quoted
    )
    if bad[0][0]:
        raise Refused(
            f"column {row_id} is blank or no whole number in {_integer(bad[0][0]):,} rows"
        )
    cursor = source.connection.execute(
        f"SELECT {whole} AS id, {_outcome_sql(source, label)} "  # noqa: S608 - quoted
        "FROM predictions ORDER BY id"
    )
    digest = hashlib.sha256()
    previous = None
    while rows := cursor.fetchmany(_BATCH_ROWS):
        for number, _ in rows:
            if number == previous:
                raise Refused(f"column {row_id} holds {number} more than once")
            previous = number
        digest.update("".join(f"{number},{outcome}\n" for number, outcome in rows).encode())
    return digest.hexdigest()


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"DuckDB counted {value!r}")
    return value
