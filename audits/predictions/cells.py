"""Predictions counted into cells: everything that an audit needs, whatever the number of rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from audits.domain.counts import AttributeCounts, Confusion, Counts, GroupCounts
from audits.domain.criteria import BiasCriteria
from audits.domain.names import UNKNOWN, intersection_group, intersection_name


@dataclass(frozen=True, slots=True)
class PredictionColumns:
    """What the columns of a predictions file are called.

    `label` and `prediction` hold 0 or 1. `row_id` holds whole numbers, each once; None where rows
    have no identity (then nothing can be compared on the same rows). `groups` may be blank.
    """

    groups: tuple[str, ...]
    row_id: str | None = "row_id"
    label: str = "label"
    prediction: str = "prediction"


@dataclass(frozen=True, slots=True)
class PredictionsError:
    """Why a file cannot be audited, in sentences. A value: bad input is a finding, not a crash."""

    reasons: tuple[str, ...]
    code: str = "predictions_unusable"

    @property
    def reason(self) -> str:
        """Return every reason in one line."""
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Cell:
    """`n` people of one combination of groups, with one label and one prediction (0 or 1)."""

    groups: tuple[str, ...]
    label: int
    prediction: int
    n: int


@dataclass(frozen=True, slots=True)
class Cells:
    """A whole file, counted. `columns` names the groups of each cell, in their order.

    `rows_digest` is the SHA-256, in hex, of ``<row_id>,<label>\\n`` for every row, ordered by
    row_id as a number; None where the rows have no identity. Two files with the same digest hold
    the same people with the same outcomes.
    """

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    rows_digest: str | None

    @property
    def n(self) -> int:
        """Return the number of people."""
        return sum(cell.n for cell in self.cells)

    def groups_of(self, attribute: tuple[str, ...]) -> tuple[str, ...]:
        """Return each cell's group for one column, or for an intersection of columns."""
        places = [self.columns.index(column) for column in attribute]
        return tuple(
            intersection_group(tuple(cell.groups[place] for place in places)) for cell in self.cells
        )


def attributes_of(criteria: BiasCriteria) -> tuple[tuple[str, ...], ...]:
    """Return the columns of every attribute and intersection that the criteria look at."""
    return (*((column,) for column in criteria.columns), *criteria.intersections)


def counts_of(cells: Cells, criteria: BiasCriteria) -> Counts:
    """Count people by group; the favourable outcome is the positive class of the matrix."""
    return Counts(
        n=cells.n,
        favourable=criteria.favourable,
        attributes=tuple(
            AttributeCounts(intersection_name(attribute), _groups(cells, attribute, criteria))
            for attribute in attributes_of(criteria)
        ),
    )


def _groups(
    cells: Cells, attribute: tuple[str, ...], criteria: BiasCriteria
) -> tuple[GroupCounts, ...]:
    matrices: defaultdict[str, dict[tuple[bool, bool], int]] = defaultdict(
        lambda: dict.fromkeys(((True, True), (True, False), (False, True), (False, False)), 0)
    )
    for name, cell in zip(cells.groups_of(attribute), cells.cells, strict=True):
        outcome = (
            cell.label == criteria.favourable,
            cell.prediction == criteria.favourable,
        )
        matrices[name][outcome] += cell.n
    groups = []
    for name in sorted(matrices, key=lambda group: (group == UNKNOWN, group)):
        matrix = matrices[name]
        confusion = Confusion(
            tp=matrix[True, True],
            fp=matrix[False, True],
            tn=matrix[False, False],
            fn=matrix[True, False],
        )
        groups.append(
            GroupCounts(name, sum(matrix.values()), confusion.tp + confusion.fp, confusion)
        )
    return tuple(groups)
