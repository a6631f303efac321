"""A recomputation from beginning to end: each leg found again, trained, compared.

The version's own files never meet its training: they are fetched when the training has ended, and
are asked for predictions in a sandbox of their own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lineage.domain.comparison import Basis, Comparison, Verdict, compare_all
from lineage.domain.control import Control, ControlResult, conclude, measure_spread
from lineage.recompute.collecting import remove_folder
from lineage.recompute.errors import RecomputationCancelled, RecomputeError
from lineage.recompute.legs import find_code, find_data, find_environment
from lineage.recompute.order import LegOutcome, RecomputationOrder, Recomputed, Step
from lineage.recompute.signature import read_signature
from lineage.recompute.tools import Tools
from lineage.recompute.trials import Laboratory, Trial
from muniment.datasets import DatasetError, DatasetUnreachable

LEGS: Final = ("code", "data", "environment", "configuration")
_NEVER_ALIKE: Final = Control(
    ControlResult.NOT_POSSIBLE,
    "Another model came out of the very bytes that were recorded, so others would show nothing.",
)
_NOT_REACHED: Final = LegOutcome("not_reached", "What comes before it failed.")


def recompute(
    order: RecomputationOrder,
    *,
    tools: Tools,
    report_step: Callable[[Step], None],
    on_output: Callable[[bytes], None],
    cancelled: Callable[[], bool],
) -> Recomputed:
    """Train a version again from its record, compare, and say what it came to.

    Args:
        on_output: is given what the training writes, as it comes.
        cancelled: is asked every second or so; true ends everything.

    Raises:
        RecomputationCancelled: it was cancelled.
        SandboxUnavailable, MlflowUnavailable, PackageIndexUnavailable, DatasetUnreachable:
            nothing can be said now.
    """
    tools.work_folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="recompute-", dir=tools.work_folder))
    work = _Recomputation(order, tools, folder, report_step, on_output, cancelled)
    try:
        return work.finish()
    except RecomputeError as error:
        return work.failed(error.leg, str(error))
    except DatasetUnreachable:
        raise
    except DatasetError as error:
        return work.failed("data", error.message)
    finally:
        remove_folder(folder)


class _Recomputation:
    def __init__(
        self,
        order: RecomputationOrder,
        tools: Tools,
        folder: Path,
        report_step: Callable[[Step], None],
        on_output: Callable[[bytes], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._order, self._tools, self._folder = order, tools, folder
        self._report_step, self._cancelled = report_step, cancelled
        self._laboratory = Laboratory(
            order, tools, folder, on_output=on_output, cancelled=cancelled
        )
        self._legs: dict[str, LegOutcome] = {}
        self._seconds: dict[str, float] = {}

    def finish(self) -> Recomputed:
        """Go through all the steps."""
        order, laboratory = self._order, self._laboratory
        checkout = self._folder / "checkout"
        with self._step(Step.CODE):
            self._hold("code", find_code(order, self._tools, checkout, cancelled=self._cancelled))
        with self._step(Step.DATA):
            datasets, said = find_data(
                order,
                self._tools,
                self._folder / "data",
                checkout=checkout,
                cancelled=self._cancelled,
            )
            # Of data that nobody named nothing was found again.
            self._legs["data"] = LegOutcome("held" if datasets else "not_recorded", said)
        with self._step(Step.ENVIRONMENT):
            environment, said = find_environment(order, self._tools, cancelled=self._cancelled)
            self._hold("environment", said)
        with self._step(Step.TRAINING):
            trials = [laboratory.train("training", datasets, checkout, environment)]
        if order.repeats > 1:
            with self._step(Step.REPEATING):
                trials += [
                    laboratory.train(f"training-{number}", datasets, checkout, environment)
                    for number in range(2, order.repeats + 1)
                ]
        with self._step(Step.COMPARING):
            # Only now: nothing of the version was here while its training ran.
            version = self._folder / "version"
            order.fetch_model(version)
            there = Trial.of_model(order.recorded, version)
            signature, probe = read_signature(version), None
            outcomes = [trial.outcome for trial in trials]
            found = compare_all(there.outcome, outcomes, order.tolerance)
            # Loading models takes long: they are asked where that can still change something.
            if order.negative_control or not _is_settled(found):
                probe = laboratory.make_probe(datasets, signature)
            if not _is_settled(found):
                recorded, *outcomes = laboratory.ask([there, *trials], probe, environment)
                found = compare_all(recorded, outcomes, order.tolerance)
        control = near = None
        if order.negative_control:
            with self._step(Step.CONTROL):
                control = laboratory.control(
                    trials[0], probe, signature, datasets, checkout, environment
                )
            # Of a model that does not depend on its data all is known.
            if control.result is not ControlResult.SAME:
                with self._step(Step.NEAR_CONTROL):
                    near = (
                        _NEVER_ALIKE
                        if found.verdict is Verdict.DIVERGED
                        else laboratory.near_control(
                            trials[0], probe, datasets, checkout, environment
                        )
                    )
        spread = measure_spread(outcomes) if len(outcomes) > 1 else None
        verdict, reason = conclude(found, control, spread, near)
        if found.leg:
            self._legs[found.leg] = LegOutcome("failed", found.reason)
        else:
            self._hold("configuration", "It was called as recorded, with the seeds.")
        measured = {
            **found.measurements,
            "probe": None if probe is None else probe.as_mapping(),
            "negative_control": None if control is None else control.as_mapping(),
            "near_control": None if near is None else near.as_mapping(),
            "spread": spread,
        }
        return self._result(verdict, reason, measured)

    def failed(self, leg: str, reason: str) -> Recomputed:
        """Return that it is not reproducible, and which leg is to blame."""
        if leg:
            self._legs[leg] = LegOutcome("failed", reason)
        named = f"{leg}: {reason}" if leg else reason
        return self._result(Verdict.NOT_REPRODUCIBLE, named, {"basis": Basis.NOTHING.value})

    def _hold(self, leg: str, reason: str) -> None:
        self._legs[leg] = LegOutcome("held", reason)

    def _result(self, verdict: Verdict, reason: str, measurements: Mapping[str, Any]) -> Recomputed:
        legs = {name: self._legs.get(name, _NOT_REACHED) for name in LEGS}
        return Recomputed(
            verdict=verdict,
            reason=reason,
            legs=legs,
            measurements={
                **measurements,
                "legs": {name: leg.as_mapping() for name, leg in legs.items()},
                "seconds": {name: round(took, 3) for name, took in self._seconds.items()},
                "record_sha256": self._order.record_sha256,
                "log_sha256": self._laboratory.log_sha256,
            },
            log_sha256=self._laboratory.log_sha256,
        )

    @contextmanager
    def _step(self, step: Step) -> Iterator[None]:
        if self._cancelled():
            raise RecomputationCancelled
        self._report_step(step)
        started = time.monotonic()
        try:
            yield
        finally:
            self._seconds[step.value] = time.monotonic() - started


def _is_settled(found: Comparison) -> bool:
    return (
        found.verdict is Verdict.DIVERGED
        or found.measurements["basis"] == Basis.ARTIFACT_BYTES.value
    )
