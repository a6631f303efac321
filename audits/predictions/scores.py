"""Scores: how they become predictions, and whether they mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from audits.domain.criteria import MAX_SCORE, MEDIAN, cutoff_text
from audits.predictions.cells import Cutoff
from audits.predictions.source import FLOATS, INTEGERS, Refused, Source, identifier, literal

# Bins of one pass over the scores, and how few rows are sorted instead of another pass.
_BINS = 4_096
_SORTED_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Score:
    """A column of scores: `sql` reads it as a number, NULL where it holds none."""

    column: str
    sql: str
    kind: str
    lowest: float
    highest: float
    rows: int

    @property
    def is_share(self) -> bool:
        """Say whether every score could be a probability."""
        return self.lowest >= 0 and self.highest <= 1


def read_score(source: Source, column: str) -> Score:
    """Read a column of scores.

    Raises:
        Refused: it is blank, NaN or no number somewhere, or beyond a billion.
    """
    name, kind = identifier(column), source.types[column]
    if kind in INTEGERS or kind in FLOATS or kind.startswith("DECIMAL"):
        number, blank = f"CAST({name} AS DOUBLE)", f"{name} IS NULL"
    elif kind == "VARCHAR":
        number = f"TRY_CAST(trim({name}) AS DOUBLE)"
        blank = f"{name} IS NULL OR trim({name}) = ''"
    else:
        raise Refused(f"column {column} holds {kind.split('(')[0]} values, not scores")
    [row] = source.rows(
        f"SELECT count(*), count(*) FILTER ({blank}), count(*) FILTER (isnan({number})), "  # noqa: S608
        f"count(*) FILTER (NOT ({blank}) AND {number} IS NULL), "
        f"count(*) FILTER (NOT isnan({number}) AND abs({number}) > {MAX_SCORE}), "
        f"min({number}), max({number}) FROM predictions"
    )
    total, *wrong = (int(str(count)) for count in row[:5])
    words = ("is blank", "is NaN", "is no number", f"is beyond {MAX_SCORE:,}")
    faults = [
        f"column {column} {what} in {count:,} of {total:,} rows"
        for what, count in zip(words, wrong, strict=True)
        if count
    ]
    if faults:
        raise Refused(*faults)
    if not total:
        raise Refused("the file has no rows")
    return Score(column, number, kind, float(str(row[5])), float(str(row[6])), total)


def decide(
    source: Source, score: Score, cutoff: Fraction | Literal["median"]
) -> tuple[Cutoff, str]:
    """Return the cutoff, and SQL that reads each score as the prediction 0 or 1.

    A fixed score is reached by whoever has it. The median, of every row of the file, must be
    exceeded: who has exactly that is not above it.
    """
    if isinstance(cutoff, Fraction):
        # In the column's own precision: a score of 0.7 in four bytes does reach 0.7.
        kind = score.kind if score.kind == "FLOAT" else "DOUBLE"
        bound = f"CAST({literal(repr(float(cutoff)))} AS {kind})"
        sql = f"CASE WHEN CAST({score.sql} AS {kind}) >= {bound} THEN 1 ELSE 0 END"
        return Cutoff(cutoff_text(cutoff), float(cutoff), 0), sql
    low = _ranked(source, score, (score.rows - 1) // 2)
    [(at_most, ties, following)] = source.rows(
        f"SELECT count(*) FILTER ({score.sql} <= {_double(low)}), "  # noqa: S608 - numbers
        f"count(*) FILTER ({score.sql} = {_double(low)}), "
        f"min({score.sql}) FILTER ({score.sql} > {_double(low)}) FROM predictions"
    )
    # Of an even number the median lies between the two in the middle, and nobody lies there: who
    # is above the lower of them is above the median.
    sql = f"CASE WHEN {score.sql} > {_double(low)} THEN 1 ELSE 0 END"
    if int(str(at_most)) > score.rows // 2:
        return Cutoff(MEDIAN, low, int(str(ties))), sql
    return Cutoff(MEDIAN, float((Fraction(low) + Fraction(float(str(following)))) / 2), 0), sql


def _ranked(source: Source, score: Score, rank: int) -> float:
    """Return the score with so many before it in order, without holding or sorting them all."""
    low, high, before = score.lowest, score.highest, 0
    count = score.rows
    while low < high:
        within = f"{score.sql} BETWEEN {_double(low)} AND {_double(high)}"
        place = f"({score.sql} - {_double(low)}) / ({_double(high)} - {_double(low)}) * {_BINS}"
        bins = source.rows(
            f"SELECT least({_BINS - 1}, CAST(floor({place}) AS INTEGER)) AS bin, "  # noqa: S608
            f"count(*), min({score.sql}), max({score.sql}) FROM predictions WHERE {within} "
            "GROUP BY bin ORDER BY bin"
        )
        for _, counted, lowest, highest in bins:
            count = int(str(counted))
            if rank < before + count:
                low, high = float(str(lowest)), float(str(highest))
                break
            before += count
        if count <= _SORTED_ROWS:
            within = f"{score.sql} BETWEEN {_double(low)} AND {_double(high)}"
            [(found,)] = source.rows(
                f"SELECT {score.sql} AS score FROM predictions WHERE {within} "  # noqa: S608
                f"ORDER BY score LIMIT 1 OFFSET {rank - before}"
            )
            return float(str(found))
    return low


def _double(number: float) -> str:
    # A bare literal would be a decimal of its own precision.
    return f"CAST({literal(repr(number))} AS DOUBLE)"
