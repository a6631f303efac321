"""A recomputation from beginning to end: each leg found again, trained, compared.

The version's own files never meet its training: they are fetched when the training has ended, and
are asked for predictions in a sandbox of their own.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lineage.domain.comparison import Verdict, compare
from lineage.domain.control import (
    Control,
    ControlResult,
    conclude,
    judge_control,
    measure_spread,
)
from lineage.domain.differences import Outcome
from lineage.recompute.asking import ask_models
from lineage.recompute.checkout import check_out
from lineage.recompute.collecting import remove_folder
from lineage.recompute.environment import Environment, build_environment
from lineage.recompute.errors import RecomputationCancelled, RecomputeError
from lineage.recompute.order import LegOutcome, RecomputationOrder, Recomputed, Step
from lineage.recompute.probe import Fetched, Probe, TableReader
from lineage.recompute.signature import Signature, read_signature
from lineage.recompute.tools import Tools
from lineage.recompute.training import Trained, train_once
from muniment.datasets import DatasetError, DatasetUnreachable, fetch_dataset

LEGS: Final = ("code", "data", "environment", "configuration")
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
        self._log = _Log(on_output)
        self._legs: dict[str, LegOutcome] = {}
        self._seconds: dict[str, float] = {}

    def finish(self) -> Recomputed:
        """Go through all the steps."""
        order = self._order
        with self._step(Step.CODE):
            checkout = self._check_out()
        with self._step(Step.DATA):
            datasets = self._fetch(checkout)
        with self._step(Step.ENVIRONMENT):
            environment = self._build()
        ground = _Ground(checkout, environment)
        with self._step(Step.TRAINING):
            trained = [self._train("training", ground, datasets)]
        if order.repeats > 1:
            with self._step(Step.REPEATING):
                trained += [
                    self._train(f"training-{number}", ground, datasets)
                    for number in range(2, order.repeats + 1)
                ]
        with self._step(Step.COMPARING):
            version = self._folder / "version"
            order.fetch_model(version)
            signature = read_signature(version)
            probe = self._reader.make_probe(datasets, signature, self._folder)
            recorded, *outcomes = self._ask(
                (replace(order.recorded, signature=signature.canonical), version),
                *((_outcome(one), one.model) for one in trained),
                environment=environment,
                probe=probe,
            )
            found = compare(recorded, outcomes[0], order.tolerance)
        control = None
        if order.negative_control:
            with self._step(Step.CONTROL):
                control = self._control(ground, datasets, signature, probe, outcomes[0])
        spread = measure_spread(outcomes) if len(outcomes) > 1 else None
        verdict, reason = conclude(found, control, spread)
        self._legs["configuration"] = (
            LegOutcome("failed", found.reason)
            if found.leg
            else LegOutcome("held", "It was called as recorded, with the seeds.")
        )
        measured = {
            **found.measurements,
            "probe": None if probe is None else probe.as_mapping(),
            "negative_control": None if control is None else control.as_mapping(),
            "spread": spread,
        }
        return self._result(verdict, reason, measured)

    def failed(self, leg: str, reason: str) -> Recomputed:
        """Return that it is not reproducible, and which leg is to blame."""
        if leg:
            self._legs[leg] = LegOutcome("failed", reason)
        named = f"{leg}: {reason}" if leg else reason
        return self._result(Verdict.NOT_REPRODUCIBLE, named, {})

    def _check_out(self) -> Path:
        code = self._order.capture.code
        if not code.commit:
            raise _code_error("no_commit", "The record names no commit.")
        if not code.remote:
            raise _code_error(
                "no_remote", "The record does not say where the commit can be fetched."
            )
        if code.is_dirty:
            raise _code_error(
                "dirty",
                "Files differed from the commit when it was trained, and nothing kept them.",
            )
        checkout = self._folder / "checkout"
        check_out(code.remote, code.commit, checkout, allowed=self._tools.remotes)
        self._legs["code"] = LegOutcome("held", f"The commit {code.commit} was fetched.")
        return checkout

    def _fetch(self, checkout: Path) -> list[Fetched]:
        fetched = []
        # A table that was only in memory lies nowhere: the program makes it again.
        lying = [one for one in self._order.capture.datasets if one.kind != "table"]
        for number, reference in enumerate(lying):
            path = fetch_dataset(
                reference,
                self._folder / "data" / str(number),
                self._tools.access,
                checkout=checkout,
            )
            fetched.append(Fetched(reference, path))
        self._legs["data"] = LegOutcome(
            "held",
            f"Every recorded digest was found again ({len(fetched)})."
            if fetched
            else "The record names no data set that lies anywhere.",
        )
        return fetched

    def _build(self) -> Environment:
        environment = build_environment(
            self._order.capture,
            self._order.lock,
            store=self._tools.environments,
            packages=self._tools.packages,
        )
        self._legs["environment"] = LegOutcome(
            "held", "Every package of the lock was installed as it was."
        )
        return environment

    def _train(self, name: str, ground: _Ground, datasets: Sequence[Fetched]) -> Trained:
        if self._cancelled():
            raise RecomputationCancelled
        work = self._folder / name
        work.mkdir()
        lying = tuple(one.reference for one in datasets)
        return train_once(
            replace(self._order.capture, datasets=lying),
            checkout=ground.checkout,
            environment=ground.environment,
            datasets={one.reference.place or one.reference.uri: one.path for one in datasets},
            work=work,
            sandbox=self._tools.sandbox,
            limits=self._tools.limits,
            parameters=self._order.recorded.parameters,
            on_output=self._log.add,
            cancelled=self._cancelled,
        )

    def _control(
        self,
        ground: _Ground,
        datasets: Sequence[Fetched],
        signature: Signature,
        probe: Probe | None,
        recomputed: Outcome,
    ) -> Control:
        permuted = self._reader.permute(datasets, signature, self._folder)
        if permuted is None:
            return Control(
                ControlResult.NOT_POSSIBLE,
                "No table was found whose columns are the model's inputs and labels beside them.",
            )
        try:
            trained = self._train("control", ground, permuted)
        except RecomputeError as error:
            return Control(ControlResult.FAILED, f"On permuted labels the training failed: {error}")
        [outcome] = self._ask(
            (_outcome(trained), trained.model), environment=ground.environment, probe=probe
        )
        return judge_control(recomputed, outcome)

    def _ask(
        self, *asked: tuple[Outcome, Path | None], environment: Environment, probe: Probe | None
    ) -> list[Outcome]:
        return ask_models(
            asked, probe, environment=environment, tools=self._tools, folder=self._folder
        )

    def _result(self, verdict: Verdict, reason: str, measurements: Mapping[str, Any]) -> Recomputed:
        legs = {name: self._legs.get(name, _NOT_REACHED) for name in LEGS}
        log_sha256 = self._log.sha256()
        return Recomputed(
            verdict=verdict,
            reason=reason,
            legs=legs,
            measurements={
                **measurements,
                "legs": {name: leg.as_mapping() for name, leg in legs.items()},
                "seconds": {name: round(took, 3) for name, took in self._seconds.items()},
                "record_sha256": self._order.record_sha256,
                "log_sha256": log_sha256,
            },
            log_sha256=log_sha256,
        )

    @property
    def _reader(self) -> TableReader:
        tools = self._tools
        return TableReader(tools.sandbox, tools.limits)

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


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every training of one recomputation stands on."""

    checkout: Path
    environment: Environment


class _Log:
    """What the trainings wrote: passed on, and digested."""

    def __init__(self, on_output: Callable[[bytes], None]) -> None:
        self._on_output = on_output
        self._digest = hashlib.sha256()

    def add(self, written: bytes) -> None:
        self._digest.update(written)
        self._on_output(written)

    def sha256(self) -> str:
        return self._digest.hexdigest()


def _code_error(code: str, message: str) -> RecomputeError:
    return RecomputeError(message, code=f"code.{code}", leg="code")


def _outcome(trained: Trained) -> Outcome:
    return Outcome(
        files=trained.artifacts,
        metrics=trained.metrics,
        parameters=trained.parameters,
        signature="" if trained.model is None else read_signature(trained.model).canonical,
    )
