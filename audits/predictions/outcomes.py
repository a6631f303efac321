"""Outcomes read as 0 and 1 within the engine, and what is wrong with those that are neither."""

from __future__ import annotations

from dataclasses import dataclass

from audits.predictions.source import FLOATS, INTEGERS, Refused, Source, identifier, literal

MISSING, NAN, OTHER = 2, 3, 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """A column of outcomes: `sql` reads it as 0, 1, or a code for what is wrong with it."""

    column: str
    sql: str
    known: str = "only 0 and 1 are known"

    def faults(self, source: Source, counted: list[tuple[object, int]]) -> list[str]:
        """Say what is wrong, from how many rows have each code."""
        total = sum(n for _, n in counted)
        wrong = {
            code: sum(n for found, n in counted if found == code) for code in (MISSING, NAN, OTHER)
        }
        faults = [
            f"column {self.column} {words} in {wrong[code]:,} of {total:,} rows"
            for code, words in ((MISSING, "is blank"), (NAN, "is NaN"))
            if wrong[code]
        ]
        if wrong[OTHER]:
            example = source.rows(
                f"SELECT CAST({identifier(self.column)} AS VARCHAR) "  # noqa: S608 - quoted
                f"FROM predictions WHERE {self.sql} = {OTHER} LIMIT 1"
            )
            faults.append(
                f"column {self.column} holds {str(example[0][0])[:40]!r}; {self.known} "
                f"({wrong[OTHER]:,} of {total:,} rows)"
            )
        return faults


def read_outcomes(
    source: Source, columns: tuple[str, ...], positive: str | None
) -> tuple[Outcome, ...]:
    """Return how to read columns that hold the same two labels.

    `positive` is the label that counts as 1; None where they hold 0 and 1.

    Raises:
        Refused: a column holds no outcomes, more than two labels in all, or `positive` nowhere.
    """
    keys = {column: _Key.of(source, column) for column in columns}
    if positive is None:
        return tuple(Outcome(column, key.as_numbers()) for column, key in keys.items())
    # The label as a column of text would write it, and the one that is not it, if there is one.
    wanted = source.rows(f"SELECT {_text_key(literal(positive.strip()))}")[0][0]
    one = literal(str(wanted))
    found = [
        source.rows(
            f"SELECT min(key) FILTER (key <> {one}), max(key) FILTER (key <> {one}), "  # noqa: S608
            f"count(*) FILTER (key = {one}) "
            f"FROM (SELECT {key.text} AS key FROM predictions WHERE NOT ({key.blank}) "
            f"AND NOT ({key.nan}))"
        )[0]
        for key in keys.values()
    ]
    if not any(count for *_, count in found):
        held = " and ".join(columns)
        raise Refused(f"the label {positive[:40]!r} is nowhere in {held}")
    others = {str(label) for row in found for label in row[:2] if label is not None}
    if len(others) > 1:
        first, second = sorted(others)[:2]
        raise Refused(
            f"{' and '.join(columns)} hold more than two labels: beside {positive[:40]!r} there "
            f"are {first[:40]!r} and {second[:40]!r}"
        )
    zero = literal(next(iter(others), ""))
    return tuple(Outcome(column, key.as_labels(zero, one)) for column, key in keys.items())


@dataclass(frozen=True, slots=True)
class _Key:
    """SQL for a column: whether it is blank or NaN, its label as text, and as a number."""

    blank: str
    nan: str
    text: str
    number: str

    @classmethod
    def of(cls, source: Source, column: str) -> _Key:
        name, kind = identifier(column), source.types[column]
        blank, nan = f"{name} IS NULL", "false"
        if kind == "BOOLEAN":
            number = f"CAST({name} AS INTEGER)"
        elif kind in INTEGERS or kind.startswith("DECIMAL"):
            number = name
        elif kind in FLOATS:
            number, nan = name, f"isnan({name})"
        elif kind == "VARCHAR" or kind.startswith("ENUM"):
            text = f"trim(CAST({name} AS VARCHAR))"
            number = (
                f"CASE lower({text}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 "
                f"ELSE TRY_CAST({text} AS DOUBLE) END"
            )
            blank = f"{name} IS NULL OR {text} = ''"
            nan = f"coalesce(isnan({number}), false)"
            return cls(blank, nan, _text_key(text), number)
        else:
            raise Refused(f"column {column} holds {kind.split('(')[0]} values, not 0 and 1")
        return cls(blank, nan, f"CAST(CAST({number} AS DOUBLE) AS VARCHAR)", number)

    def as_numbers(self) -> str:
        return self._coded(self.number, "0", "1")

    def as_labels(self, zero: str, one: str) -> str:
        return self._coded(self.text, zero, one)

    def _coded(self, read: str, zero: str, one: str) -> str:
        return (
            f"CASE WHEN {self.blank} THEN {MISSING} WHEN {self.nan} THEN {NAN} "
            f"WHEN {read} = {zero} THEN 0 WHEN {read} = {one} THEN 1 ELSE {OTHER} END"
        )


def _text_key(text: str) -> str:
    """Write a label one way, whether a column holds numbers, truth values or text."""
    return (
        f"CASE lower({text}) WHEN 'true' THEN '1.0' WHEN 'false' THEN '0.0' "
        f"ELSE coalesce(CAST(TRY_CAST({text} AS DOUBLE) AS VARCHAR), {text}) END"
    )
