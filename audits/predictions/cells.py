"""Predictions counted into cells: everything that an audit needs, whatever the number of rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from audits.domain.counts import AttributeCounts, Confusion, Counts, GroupCounts, Weights
from audits.domain.criteria import BiasCriteria
from audits.domain.names import UNKNOWN, intersection_group, intersection_name


@dataclass(frozen=True, slots=True)
class PredictionColumns:
    """What the columns of a predictions file are called.

    `label` and `prediction` hold 0 or 1, or two other labels of which `positive` counts as 1.
    `row_id` holds whole numbers, each once; None where rows have no identity (then nothing can be
    compared on the same rows). `groups` may be blank.

    Attributes:
        score: finite numbers, read where scores are audited; else, if the file has the column, how
            well it is calibrated is shown.
        weight: numbers above 0; None where everybody counts as one.
        person: whose row it is; None where every row is another person's.
    """

    groups: tuple[str, ...]
    row_id: str | None = "row_id"
    label: str = "label"
    prediction: str = "prediction"
    positive: str | None = None
    score: str = "score"
    weight: str | None = None
    person: str | None = None


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
    """`n` people of one combination of groups, with one label and one prediction (0 or 1).

    `weight` is what they weigh together; None where everybody counts as one.
    """

    groups: tuple[str, ...]
    label: int
    prediction: int
    n: int
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """`n` people of one combination of groups whose scores lie in one tenth of 0 to 1.

    Attributes:
        tenth: 0 for scores from 0 to under 0.1; the last, 9, includes 1.
        millionths: the sum of the scores, each rounded to a millionth, in millionths.
        positives: how many of them have the label 1.
    """

    groups: tuple[str, ...]
    tenth: int
    n: int
    millionths: int
    positives: int


@dataclass(frozen=True, slots=True)
class Cutoff:
    """How scores became predictions: by a fixed score, or by the median of all.

    Attributes:
        value: the fixed score, or the median.
        ties: how many people have exactly the median, and are therefore not above it.
    """

    rule: str
    value: float
    ties: int


@dataclass(frozen=True, slots=True)
class Cells:
    """A whole file, counted. `columns` names the groups of each cell, in their order.

    `rows_digest` is the SHA-256, in hex, of ``<row_id>,<label>\\n`` for every row, ordered by
    row_id as a number; None where the rows have no identity. Two files with the same digest hold
    the same people with the same outcomes.

    Attributes:
        cutoff: None where the file holds predictions.
        bins: empty where there are no scores that could be probabilities.
        repeated: rows beyond the first of each person; None where persons are not told apart.
    """

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    rows_digest: str | None
    cutoff: Cutoff | None = None
    bins: tuple[ScoreBin, ...] = ()
    repeated: int | None = None

    @property
    def n(self) -> int:
        """Return the number of people."""
        return sum(cell.n for cell in self.cells)

    def groups_of(self, attribute: tuple[str, ...]) -> tuple[str, ...]:
        """Return each cell's group for one column, or for an intersection of columns."""
        return tuple(self.group_of(cell.groups, attribute) for cell in self.cells)

    def group_of(self, groups: tuple[str, ...], attribute: tuple[str, ...]) -> str:
        """Return the group that a combination of groups belongs to in one attribute."""
        return intersection_group(tuple(groups[self.columns.index(name)] for name in attribute))


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
        cutoff="" if cells.cutoff is None else cells.cutoff.rule,
        repeated=cells.repeated,
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
    weights = _weights(cells, attribute, criteria)
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
            GroupCounts(
                name,
                sum(matrix.values()),
                confusion.tp + confusion.fp,
                confusion,
                weights.get(name),
            )
        )
    return tuple(groups)


def _weights(
    cells: Cells, attribute: tuple[str, ...], criteria: BiasCriteria
) -> dict[str, Weights]:
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, cell in zip(cells.groups_of(attribute), cells.cells, strict=True):
        if cell.weight is not None:
            sums[name][cell.prediction == criteria.favourable] += cell.weight
    # The sum of both parts, so that no rounding makes one part more than the whole.
    return {
        name: Weights(total=others + selected, selected=selected)
        for name, (others, selected) in sums.items()
    }
