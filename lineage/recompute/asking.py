"""Asking models about the same rows, each in a sandbox of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from lineage.domain.differences import Outcome
from lineage.recompute.environment import Environment
from lineage.recompute.errors import RecomputeError
from lineage.recompute.prediction import predict
from lineage.recompute.probe import Probe
from lineage.recompute.tools import Tools


def ask_models(
    asked: Sequence[tuple[Outcome, Path | None]],
    probe: Probe | None,
    *,
    environment: Environment,
    tools: Tools,
    folder: Path,
) -> list[Outcome]:
    """Return the outcomes with what each model predicts for the probe set.

    A model that does not answer has no predictions, and neither has any without a probe set.

    Args:
        asked: each with its model's folder, if it has one.
        folder: where each has a work folder, by the name of the model's and the one above.
    """

    def ask(one: tuple[Outcome, Path | None]) -> Outcome:
        outcome, model = one
        if probe is None or model is None:
            return outcome
        try:
            predictions = predict(
                model,
                probe.path,
                environment=environment,
                sandbox=tools.sandbox,
                limits=tools.limits,
                work=folder / f"asking-{model.parent.name}-{model.name}",
            )
        except RecomputeError:
            return outcome
        return replace(outcome, predictions=predictions.columns)

    with ThreadPoolExecutor(max_workers=2) as beside:
        return list(beside.map(ask, asked))
