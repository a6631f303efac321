"""What the columns of an evaluation set are for, and what a model's answers to it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_COLUMNS = 1_000
MAX_COLUMN_NAME = 200
PREDICTION = "prediction"
SCORE = "score"
# What a classifier's probability of the outcome 1 is called.
_PROBABILITY = "score: 1"


@dataclass(frozen=True, slots=True)
class SetColumns:
    """The roles of an evaluation set's columns; one without a role is read by nobody.

    A group column is withheld from the model unless it is among the features too. `row_id` holds
    whole numbers, each once; None where rows have no identity (then no two versions can be
    compared on the same rows).
    """

    label: str
    groups: tuple[str, ...]
    features: tuple[str, ...]
    row_id: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return every column that has a role, each once."""
        rows = () if self.row_id is None else (self.row_id,)
        return tuple(dict.fromkeys((*rows, self.label, *self.groups, *self.features)))

    @property
    def withheld(self) -> tuple[str, ...]:
        """Return the columns with a role that a model is never given."""
        return tuple(name for name in self.names if name not in self.features)

    def faults(self) -> tuple[str, ...]:
        """Say in sentences what cannot be; empty where nothing is wrong."""
        found = []
        if not self.groups:
            found.append("Name the columns that hold groups of people, such as race.")
        if not self.features:
            found.append("Name the columns that a model is given as its features.")
        if self.label in (*self.groups, *self.features, self.row_id):
            found.append(f"The label {self.label!r} can be neither group, feature nor row id.")
        if self.row_id is not None and self.row_id in (*self.groups, *self.features):
            found.append(f"The row id {self.row_id!r} can be neither group nor feature.")
        for role, names in (("group", self.groups), ("feature", self.features)):
            found += [
                f"The {role} {name!r} is named twice."
                for name, times in Counter(names).items()
                if times > 1
            ]
        found += [
            f"The column {name!r} has the name of what a model answers; rename it."
            for name in (self.label, *self.groups, self.row_id)
            if name in (PREDICTION, SCORE)
        ]
        if len(self.names) > MAX_COLUMNS:
            found.append(f"More than {MAX_COLUMNS:,} columns have a role.")
        found += [
            f"The column {name[:80]!r} has no name that can be shown."
            for name in self.names
            if not name.strip() or len(name) > MAX_COLUMN_NAME or not name.isprintable()
        ]
        return tuple(found)

    def to_mapping(self) -> dict[str, Any]:
        """Return the roles as JSON."""
        return {
            "row_id": self.row_id,
            "label": self.label,
            "groups": list(self.groups),
            "features": list(self.features),
        }

    @classmethod
    def from_mapping(cls, said: Mapping[str, Any]) -> SetColumns:
        """Read back what `to_mapping` returned."""
        return cls(
            label=said["label"],
            groups=tuple(said["groups"]),
            features=tuple(said["features"]),
            row_id=said["row_id"],
        )


def answers_in(
    columns: Mapping[str, Sequence[object]], *, are_scores: bool
) -> dict[str, Sequence[float]] | str:
    """Return a model's answers as an audit reads them, or why they are none.

    ``prediction`` holds the decision on each row, 0 or 1; where a policy judges scores, there is
    ``score`` alone. A probability beside decisions is their ``score``.

    Args:
        columns: as the sandbox gave them; what a model predicts is called ``prediction``, or
            ``prediction: <its name>`` where it is a table.
        are_scores: the policy judges scores, so that what a model without probabilities predicts
            is one.
    """
    named = [name for name in columns if name == PREDICTION or name.startswith(f"{PREDICTION}: ")]
    if len(named) != 1:
        return f"the model predicts {len(named)} columns; one answer a row is asked for"
    predicted = columns[named[0]]
    scores = _numbers(columns.get(_PROBABILITY, predicted if are_scores else ()))
    if isinstance(scores, str):
        return scores
    if are_scores:
        return {SCORE: scores}
    decisions = _numbers(predicted)
    if isinstance(decisions, str):
        return decisions
    odd = next((value for value in decisions if value not in (0.0, 1.0)), None)
    if odd is not None:
        return f"the model predicts {odd:g}; a decision is 0 or 1"
    answers: dict[str, Sequence[float]] = {PREDICTION: [int(value) for value in decisions]}
    return answers | ({SCORE: scores} if scores else {})


def _numbers(values: Sequence[object]) -> list[float] | str:
    numbers = []
    for value in values:
        # Text is none, whatever it says: what it stands for would be a guess.
        if not isinstance(value, (bool, int, float)):
            return f"the model predicts {str(value)[:40]!r}, which is no number"
        numbers.append(float(value))
    return numbers
