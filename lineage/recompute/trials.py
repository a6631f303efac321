"""Training again, and asking what comes of it: each time in a sandbox of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lineage.domain.control import Control, ControlResult, judge_control, judge_near_control
from lineage.domain.differences import Outcome, compare_artifacts
from lineage.recompute.environment import Environment
from lineage.recompute.errors import RecomputeError
from lineage.recompute.order import RecomputationOrder
from lineage.recompute.prediction import predict
from lineage.recompute.probe import Fetched, Probe, TableReader
from lineage.recompute.signature import Signature, read_signature
from lineage.recompute.tools import Tools
from lineage.recompute.training import train_once

_NO_LABELS: Final = Control(
    ControlResult.NOT_POSSIBLE,
    "No table was found whose columns are the model's inputs and labels beside them.",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What one training left, and the folder of its model, if it logged one."""

    outcome: Outcome
    model: Path | None

    @classmethod
    def of_model(cls, outcome: Outcome, model: Path | None) -> Trial:
        """Return the trial with what its model says of itself."""
        if model is None:
            return cls(outcome, None)
        said = read_signature(model)
        return cls(replace(outcome, signature=said.canonical, loading=said.loading), model)


class Laboratory:
    """Trains one order as often as it is told, and asks models about the same rows.

    Args:
        folder: where each training and each question has a folder of its own.
        on_output: is given what trainings write, as it comes.
        cancelled: is asked every second or so; true ends everything.
    """

    def __init__(
        self,
        order: RecomputationOrder,
        tools: Tools,
        folder: Path,
        *,
        on_output: Callable[[bytes], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._order, self._tools, self._folder = order, tools, folder
        self._on_output, self._cancelled = on_output, cancelled
        self._digest = hashlib.sha256()
        self._reader = TableReader(tools.sandbox, tools.limits)

    @property
    def log_sha256(self) -> str:
        """Return the SHA-256 of all that trainings wrote until now."""
        return self._digest.hexdigest()

    def train(
        self, name: str, datasets: Sequence[Fetched], checkout: Path, environment: Environment
    ) -> Trial:
        """Train once, by the recorded command.

        Raises:
            RecomputeError: it did not come to its end, with its last lines.
            RecomputationCancelled: it was stopped.
        """
        trained = train_once(
            replace(self._order.capture, datasets=tuple(one.reference for one in datasets)),
            checkout=checkout,
            environment=environment,
            datasets={one.reference.place or one.reference.uri: one.path for one in datasets},
            work=self._folder / name,
            sandbox=self._tools.sandbox,
            limits=self._tools.limits,
            parameters=self._order.recorded.parameters,
            on_output=self._hear,
            cancelled=self._cancelled,
        )
        outcome = Outcome(trained.artifacts, trained.metrics, trained.parameters)
        return Trial.of_model(outcome, trained.model)

    def make_probe(self, datasets: Sequence[Fetched], signature: Signature) -> Probe | None:
        """Return the rows that models are asked about; None where no data set has them."""
        return self._reader.make_probe(datasets, signature, self._folder)

    def ask(
        self, trials: Sequence[Trial], probe: Probe | None, environment: Environment
    ) -> list[Outcome]:
        """Return the outcomes with what each model predicts for the probe set.

        A model that does not answer has no predictions, and neither has any without a probe set.
        """

        def ask(numbered: tuple[int, Trial]) -> Outcome:
            number, trial = numbered
            if probe is None or trial.model is None:
                return trial.outcome
            try:
                predictions = predict(
                    trial.model,
                    probe.path,
                    environment=environment,
                    sandbox=self._tools.sandbox,
                    limits=self._tools.limits,
                    work=self._folder / f"asking-{number}",
                    cancelled=self._cancelled,
                )
            except RecomputeError:
                return trial.outcome
            return replace(trial.outcome, predictions=predictions.columns)

        with ThreadPoolExecutor(max_workers=2) as beside:
            return list(beside.map(ask, enumerate(trials)))

    def control(
        self,
        trial: Trial,
        probe: Probe | None,
        signature: Signature,
        datasets: Sequence[Fetched],
        checkout: Path,
        environment: Environment,
    ) -> Control:
        """Train once more with permuted labels, and say whether another model came out.

        Args:
            trial: what came out of the data as they are.

        Raises:
            RecomputationCancelled: it was stopped.
        """
        permuted = self._reader.permute(datasets, signature, self._folder)
        if permuted is None:
            return _NO_LABELS
        try:
            controlled = self.train("control", permuted, checkout, environment)
        except RecomputeError as error:
            return Control(ControlResult.FAILED, f"On permuted labels the training failed: {error}")
        return judge_control(*self.ask([trial, controlled], probe, environment))

    def near_control(
        self,
        trial: Trial,
        probe: Probe | None,
        datasets: Sequence[Fetched],
        checkout: Path,
        environment: Environment,
    ) -> Control:
        """Train once more on data that say the same in other bytes; say whether the same came out.

        Args:
            trial: what came out of the data as they are.

        Raises:
            RecomputationCancelled: it was stopped.
        """
        rewritten = self._reader.rewrite(datasets, self._folder)
        if isinstance(rewritten, str):
            why = f"The data cannot be written in other bytes: {rewritten}."
            return Control(ControlResult.NOT_POSSIBLE, why)
        try:
            controlled = self.train("near-control", rewritten, checkout, environment)
        except RecomputeError as error:
            why = f"On the same data in other bytes the training failed: {error}"
            return Control(ControlResult.FAILED, why)
        there, here = trial.outcome, controlled.outcome
        artifacts = compare_artifacts(there.files, here.files)
        if artifacts["differing_count"] or not artifacts["compared"]:
            there, here = self.ask([trial, controlled], probe, environment)
        return judge_near_control(there, here, self._order.tolerance)

    def _hear(self, written: bytes) -> None:
        self._digest.update(written)
        self._on_output(written)
