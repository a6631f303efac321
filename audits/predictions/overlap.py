"""Rows of an evaluation set that stand in the training data too: a model has seen their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audits.domain.evaluation_set import SetColumns
from audits.predictions.evaluation_file import MEMORY_LIMIT
from audits.predictions.source import Refused, Source, first_line, identifier, open_source

_BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Overlap:
    """Which rows of the set a table holds too, by the columns that were compared."""

    rows: frozenset[int]
    compared: tuple[str, ...]


def find_overlap(evaluation: Path, training: Path, columns: SetColumns) -> Overlap | str:
    """Find the set's rows whose features, and label, stand in a training table; or say why not.

    Rows are the same whatever the file's kind: numbers are compared as 32-bit floats, truth values
    as 0 and 1, text without the spaces around it. A table without the label is compared by the
    features alone; one that lacks a feature cannot be compared. Memory does not grow with the
    table.
    """
    import duckdb

    try:
        with open_source(training, MEMORY_LIMIT) as table:
            missing = [name for name in columns.features if name not in table.types]
            if missing:
                return f"it has no column {missing[0]}"
            compared = columns.features
            if columns.label in table.types:
                compared = (*compared, columns.label)
            with open_source(evaluation, MEMORY_LIMIT) as rows:
                wanted = [str(row[0]) for row in rows.rows(_hashes_sql(compared))]
            met = _met(table, compared, frozenset(wanted))
    except Refused as refused:
        return "; ".join(refused.reasons)
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        return f"it cannot be read as a table: {first_line(error)}"
    return Overlap(frozenset(place for place, one in enumerate(wanted) if one in met), compared)


def _met(table: Source, compared: Sequence[str], wanted: frozenset[str]) -> set[str]:
    cursor = table.connection.execute(_hashes_sql(compared))
    met: set[str] = set()
    while batch := cursor.fetchmany(_BATCH_ROWS):
        met |= wanted.intersection(str(row[0]) for row in batch)
    return met


def _hashes_sql(compared: Sequence[str]) -> str:
    values = ", chr(31), ".join(_canonical_sql(name) for name in compared)
    return f"SELECT sha256(concat({values})) FROM predictions"  # noqa: S608 - quoted


def _canonical_sql(name: str) -> str:
    text = f"trim(CAST({identifier(name)} AS VARCHAR))"
    number = (
        f"TRY_CAST(CASE lower({text}) WHEN 'true' THEN '1' WHEN 'false' THEN '0' ELSE {text} END "
        "AS FLOAT)"
    )
    # Adding nothing makes one zero of the two.
    return (
        f"coalesce(CASE WHEN isnan({number}) THEN '' WHEN {number} IS NOT NULL "
        f"THEN CAST({number} + 0::FLOAT AS VARCHAR) ELSE {text} END, '')"
    )
