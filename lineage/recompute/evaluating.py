"""Asking a version about an evaluation set: its model, its environment, rows that it never saw.

The team gives the model and nothing else. What it is asked about are the set's features; labels,
groups and the number of the row stay here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from audits.domain.evaluation_set import SetColumns, answers_in
from audits.predictions.evaluation_file import SetUnusable, write_table
from audits.predictions.overlap import find_overlap
from lineage.domain.predictions import Predictions
from lineage.recompute.collecting import remove_folder
from lineage.recompute.environment import build_environment
from lineage.recompute.errors import RecomputationCancelled, RecomputeError
from lineage.recompute.prediction import predict
from lineage.recompute.signature import read_signature
from lineage.recompute.tools import Tools
from muniment.datasets import (
    DatasetError,
    DatasetReference,
    DatasetUnreachable,
    fetch_dataset,
)
from muniment.lineage_file import LineageFile

_TABLES: Final = (".csv", ".tsv", ".parquet", ".pq")
_MOST_TABLES: Final = 1_000
_MOST_REASONS: Final = 5


class EvaluatingStep(StrEnum):
    """Where it stands; in this order."""

    SET = "evaluation_set"
    TRAINING_DATA = "training_data"
    ENVIRONMENT = "environment"
    MODEL = "model"
    PREDICTING = "predicting"
    AUDITING = "auditing"


@dataclass(frozen=True, slots=True)
class EvaluationOrder:
    """One version, and the evaluation set that it is asked about.

    Attributes:
        capture, lock: what its training recorded of itself, and the bytes of its lock file.
        fetch_model: writes the version's own files, each with the recorded bytes, below a folder.
        set_file, columns: the set, checked to have the bytes that were registered.
        are_scores: the policy judges scores, and not decisions.
    """

    capture: LineageFile
    lock: bytes
    fetch_model: Callable[[Path], None]
    set_file: Path
    columns: SetColumns
    are_scores: bool = False


@dataclass(frozen=True, slots=True)
class Contamination:
    """How many of the set's rows stand in the training data too, as far as that could be seen.

    Attributes:
        tables: how many tables were compared.
        unchecked: why the rest was not, a sentence each; of nothing compared, why nothing was.
    """

    rows: int
    tables: int
    unchecked: tuple[str, ...] = ()

    def as_mapping(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "checked": self.tables > 0 and not self.unchecked,
            "rows": self.rows,
            "tables": self.tables,
            "unchecked": list(self.unchecked),
        }


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a version answered, in the order of the set's rows.

    Attributes:
        answers: ``prediction``, ``score`` or both, as an audit reads them.
    """

    predictions: Predictions
    answers: Mapping[str, Sequence[float]]


def find_contamination(order: EvaluationOrder, tools: Tools) -> Contamination:
    """Count the set's rows that stand in the recorded training data, where that can be read.

    Raises:
        DatasetUnreachable: whoever holds the data does not answer now.
    """
    training = [one for one in order.capture.datasets if one.role != "evaluation"]
    if not training:
        return Contamination(0, 0, ("The lineage record names no training data.",))
    met: set[int] = set()
    compared, faults = 0, []
    for reference in training:
        with _folder(tools) as folder:
            for said in _overlaps(order, tools, reference, folder):
                if isinstance(said, str):
                    faults.append(f"{reference.name}: {said}.")
                else:
                    met |= said
                    compared += 1
    left = len(faults) - _MOST_REASONS
    more = (f"And {left} more.",) if left > 0 else ()
    return Contamination(len(met), compared, (*faults[:_MOST_REASONS], *more))


def evaluate_model(
    order: EvaluationOrder,
    tools: Tools,
    *,
    report_step: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Evaluated:
    """Ask the version's model, in its own environment and a sandbox, about the set's features.

    Raises:
        RecomputeError: it cannot be asked, or what it answers are no decisions; its sentence says
            which leg is missing, or what is wrong.
        ArtifactMissing: its files are gone, or not those that were recorded.
        RecomputationCancelled, SandboxUnavailable, PackageIndexUnavailable, MlflowUnavailable:
            nothing can be said now.
    """
    report_step(EvaluatingStep.ENVIRONMENT)
    environment = build_environment(
        order.capture, order.lock, store=tools.environments, packages=tools.packages
    )
    with _folder(tools) as folder:
        _go_on(cancelled)
        report_step(EvaluatingStep.MODEL)
        order.fetch_model(folder / "model")
        table = folder / "table.json"
        try:
            write_table(order.set_file, _inputs(folder / "model", order.columns), table)
        except SetUnusable as error:
            raise _failed(f"The evaluation set does not fit the model: {error}.") from error
        _go_on(cancelled)
        report_step(EvaluatingStep.PREDICTING)
        predictions = predict(
            folder / "model",
            table,
            environment=environment,
            sandbox=tools.sandbox,
            limits=tools.limits,
            work=folder / "predicting",
            cancelled=cancelled,
        )
    answers = answers_in(predictions.columns, are_scores=order.are_scores)
    if isinstance(answers, str):
        raise _failed(f"{answers[:1].upper()}{answers[1:]}.")
    return Evaluated(predictions, answers)


def _overlaps(
    order: EvaluationOrder, tools: Tools, reference: DatasetReference, folder: Path
) -> Iterator[frozenset[int] | str]:
    try:
        path = fetch_dataset(reference, folder, tools.access, checkout=None)
    except DatasetUnreachable:
        raise
    except DatasetError as error:
        yield error.message
        return
    paths = sorted(path.rglob("*")) if path.is_dir() else [path]
    tables = [
        one
        for one in paths
        if one.suffix.lower() in _TABLES and one.is_file() and not one.is_symlink()
    ]
    if not tables or len(tables) > _MOST_TABLES:
        yield f"it holds {len(tables):,} CSV or Parquet tables" if tables else "it holds no table"
        return
    for table in tables:
        found = find_overlap(order.set_file, table, order.columns)
        yield found if isinstance(found, str) else found.rows


def _inputs(model: Path, columns: SetColumns) -> list[dict[str, str]]:
    """Return what the model is given: what its signature names, of the features alone."""
    wanted = read_signature(model).inputs
    if not wanted:
        return [{"name": name, "type": ""} for name in columns.features]
    for one in wanted:
        if one["name"] in columns.features:
            continue
        if one["name"] in columns.withheld:
            raise _failed(
                f"The model asks for the column {one['name']!r}, which is withheld from models: "
                "it is no feature of the evaluation set."
            )
        raise _failed(
            f"The model asks for the column {one['name']!r}, which is no feature of the "
            "evaluation set."
        )
    return [dict(one) for one in wanted]


@contextmanager
def _folder(tools: Tools) -> Iterator[Path]:
    tools.work_folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="evaluating-", dir=tools.work_folder))
    try:
        yield folder
    finally:
        remove_folder(folder)


def _go_on(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise RecomputationCancelled("It was stopped.")


def _failed(message: str) -> RecomputeError:
    return RecomputeError(message, code="evaluation.failed")
