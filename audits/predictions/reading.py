"""Count a predictions file into cells, or say why it cannot be counted."""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction
from pathlib import Path
from typing import Literal

from audits.domain.names import INTERSECTION, canonical_group
from audits.predictions.cells import (
    Cell,
    Cells,
    Cutoff,
    PredictionColumns,
    PredictionsError,
    ScoreBin,
)
from audits.predictions.outcomes import Outcome, read_outcomes
from audits.predictions.scores import decide, read_score
from audits.predictions.source import (
    FLOATS,
    INTEGERS,
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


def count_cells(
    path: str | os.PathLike[str],
    columns: PredictionColumns,
    *,
    cutoff: Fraction | Literal["median"] | None = None,
    memory_limit: str = MEMORY_LIMIT,
) -> Cells | PredictionsError:
    """Count a Parquet, Arrow, JSON or CSV file into cells by group, label and prediction.

    Columns are streamed: memory does not grow with the rows. Blank and null groups, and every
    spelling of unknown, become ``unknown``. CSV is comma-separated with a header, UTF-8.

    Args:
        cutoff: how the column of scores becomes predictions; the column of predictions is then not
            read.

    Returns:
        The cells; or `PredictionsError` for a file that cannot be read, has no rows or lacks a
        column, a label or prediction that is blank, NaN or neither of two labels, a score or weight
        that is no number, a row_id that is blank, fractional or given twice, a person that is
        blank, or more than 100 groups in a column.
    """
    import duckdb

    try:
        # Weights are added up in one order, so that the same file has the same sums.
        threads = 4 if columns.weight is None else 1
        with open_source(Path(path), memory_limit, threads=threads) as source:
            return _count(source, columns, cutoff)
    except Refused as refused:
        return PredictionsError(refused.reasons)
    except duckdb.OutOfMemoryException:
        return PredictionsError((f"the file needs more than {memory_limit} of memory to be read",))
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        return PredictionsError((f"the file cannot be read: {first_line(error)}",))


def _count(
    source: Source, columns: PredictionColumns, cutoff: Fraction | Literal["median"] | None
) -> Cells:
    _require_columns(source, columns, is_scored=cutoff is not None)
    groups = [_group_sql(source, name) for name in columns.groups]
    decided: Cutoff | None = None
    if cutoff is None:
        outcomes = (columns.label, columns.prediction)
        label, prediction = read_outcomes(source, outcomes, columns.positive)
    else:
        [label] = read_outcomes(source, (columns.label,), columns.positive)
        score = read_score(source, columns.score)
        decided, decision = decide(source, score, cutoff)
        prediction = Outcome(columns.score, decision)
    weight = "NULL" if columns.weight is None else f"sum({_weight_sql(source, columns.weight)})"
    counted = source.rows(
        f"SELECT {', '.join([label.sql, prediction.sql, *groups, weight, 'count(*)'])} "  # noqa: S608
        f"FROM predictions GROUP BY ALL LIMIT {_MAX_CELLS + 1}"
    )
    if not counted:
        raise Refused("the file has no rows")
    if len(counted) > _MAX_CELLS:
        raise Refused(f"the group columns have more than {MAX_GROUPS} groups")
    faults = [
        *label.faults(source, [(row[0], _integer(row[-1])) for row in counted]),
        *prediction.faults(source, [(row[1], _integer(row[-1])) for row in counted]),
    ]
    if faults:
        raise Refused(*faults)
    cells = _merged(counted)
    for place, column in enumerate(columns.groups):
        faults += _group_faults(column, {cell.groups[place] for cell in cells})
    if faults:
        raise Refused(*faults)
    return Cells(
        columns.groups,
        cells,
        rows_digest=(
            None if columns.row_id is None else _digest_rows(source, columns.row_id, label.sql)
        ),
        cutoff=decided,
        bins=_bins(source, columns, label.sql, groups),
        repeated=None if columns.person is None else _repeated(source, columns.person),
    )


def _require_columns(source: Source, columns: PredictionColumns, *, is_scored: bool) -> None:
    wanted = [
        columns.row_id,
        columns.label,
        columns.score if is_scored else columns.prediction,
        *columns.groups,
        columns.weight,
        columns.person,
    ]
    missing = [name for name in wanted if name is not None and name not in source.types]
    if missing:
        raise Refused(*(f"column {name} is missing" for name in dict.fromkeys(missing)))


def _merged(counted: list[tuple[object, ...]]) -> tuple[Cell, ...]:
    """Put together what is one group in several spellings, in an order that is always the same."""
    found: dict[tuple[tuple[str, ...], int, int], Cell] = {}
    for row in sorted(counted, key=repr):
        label, prediction, *names, weight, n = row
        groups = tuple(canonical_group(None if name is None else str(name)) for name in names)
        key = (groups, _integer(label), _integer(prediction))
        cell = Cell(*key, _integer(n), None if weight is None else float(str(weight)))
        if key in found:
            both = None if weight is None else (found[key].weight or 0.0) + (cell.weight or 0.0)
            cell = Cell(*key, found[key].n + cell.n, both)
        found[key] = cell
    return tuple(found[key] for key in sorted(found))


def _bins(
    source: Source, columns: PredictionColumns, label: str, groups: list[str]
) -> tuple[ScoreBin, ...]:
    """Count scores in tenths; nothing where there are none that could be probabilities."""
    if columns.score not in source.types:
        return ()
    try:
        score = read_score(source, columns.score)
    except Refused:
        return ()  # nothing depends on scores here, or they were refused before
    if not score.is_share:
        return ()
    counted = source.rows(
        f"SELECT {', '.join(groups)}, "  # noqa: S608 - quoted
        f"least(9, CAST(floor({score.sql} * 10) AS INTEGER)) AS tenth, count(*), "
        # Whole numbers: their sum is the same in whatever order it is taken.
        f"sum(CAST(round({score.sql} * 1000000) AS BIGINT)), count(*) FILTER ({label} = 1) "
        "FROM predictions GROUP BY ALL"
    )
    found: dict[tuple[tuple[str, ...], int], list[int]] = {}
    for row in counted:
        *names, tenth, n, millionths, positives = row
        key = (
            tuple(canonical_group(None if name is None else str(name)) for name in names),
            _integer(tenth),
        )
        sums = found.setdefault(key, [0, 0, 0])
        for place, number in enumerate((n, millionths, positives)):
            sums[place] += _integer(number)
    return tuple(ScoreBin(*key, *found[key]) for key in sorted(found))


def _weight_sql(source: Source, column: str) -> str:
    weight = read_score(source, column)
    if weight.lowest <= 0:
        raise Refused(f"column {column} holds weights that are not above 0")
    return weight.sql


def _repeated(source: Source, column: str) -> int:
    name = f"trim(CAST({identifier(column)} AS VARCHAR))"
    [(rows, blank, persons)] = source.rows(
        f"SELECT count(*), count(*) FILTER ({name} IS NULL OR {name} = ''), "  # noqa: S608
        f"count(DISTINCT {name}) FROM predictions"
    )
    if _integer(blank):
        raise Refused(f"column {column} is blank in {_integer(blank):,} of {_integer(rows):,} rows")
    return _integer(rows) - _integer(persons)


def _group_sql(source: Source, column: str) -> str:
    name, kind = identifier(column), source.types[column]
    if kind in FLOATS:
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


def _digest_rows(source: Source, row_id: str, label_sql: str) -> str:
    """Hash the (row_id, label) pairs in order of row_id, refusing blanks and repeats on the way."""
    name, kind = identifier(row_id), source.types[row_id]
    whole = f"TRY_CAST({name} AS BIGINT)"
    if kind == "VARCHAR":
        # A cast would round "1.5"; only digits are a whole number.
        digits = f"regexp_full_match(trim({name}), '-?[0-9]+')"
        whole = f"CASE WHEN {digits} THEN TRY_CAST(trim({name}) AS BIGINT) END"
    elif kind in FLOATS or kind.startswith("DECIMAL"):
        whole = f"CASE WHEN {name} = floor({name}) THEN TRY_CAST({name} AS BIGINT) END"
    elif kind not in INTEGERS:
        raise Refused(f"column {row_id} holds {kind.split('(')[0]} values, not whole numbers")
    bad = source.rows(
        f"SELECT count(*) FROM predictions WHERE {whole} IS NULL"  # noqa: S608 - quoted
    )
    if bad[0][0]:
        raise Refused(
            f"column {row_id} is blank or no whole number in {_integer(bad[0][0]):,} rows"
        )
    cursor = source.connection.execute(
        f"SELECT {whole} AS id, {label_sql} "  # noqa: S608 - quoted
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
