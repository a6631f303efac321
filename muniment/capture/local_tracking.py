"""Runs that no server keeps, or whose artifacts it does not serve: through the command's MLflow."""

from __future__ import annotations

import json
import subprocess
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from muniment.capture import inside
from muniment.capture.rest_tracking import RestTracking
from muniment.capture.tracking import (
    MAX_OUTPUT_BYTES,
    MAX_OUTPUTS,
    MAX_RUNS,
    PROXIED,
    FoundRun,
    LoggedDataset,
    Tracking,
    TrackingError,
)
from muniment.lineage_file import CAPTURE_TAG

# Where MLflow keeps runs that are sent nowhere.
_DEFAULT_PLACES: Final = ("mlflow.db", "mlruns")


class MlflowTracking(Tracking):
    """Whatever an MLflow client reaches, in its words; where that client runs differs."""

    @abstractmethod
    def _ask(self, question: str, **asked: object) -> Any:
        """Have one of `muniment.capture.inside`'s questions answered."""

    def find_runs(self, capture_id: str, also: Sequence[str] = ()) -> list[FoundRun]:
        """Search through MLflow's client."""
        said = self._ask(
            "find_runs",
            also=list(also),
            filter=f"tags.`{CAPTURE_TAG}` = '{capture_id}'",
            max_runs=MAX_RUNS,
        )
        return [
            FoundRun(
                **{**one, "datasets": tuple(LoggedDataset(**each) for each in one["datasets"])}
            )
            for one in said
        ]

    def hash_outputs(self, run: FoundRun) -> dict[str, str]:
        """Download and hash there."""
        found: dict[str, str] = self._ask(
            "hash_outputs",
            run_id=run.run_id,
            models=dict(run.models),
            max_files=MAX_OUTPUTS,
            max_bytes=MAX_OUTPUT_BYTES,
        )
        return found

    def write(self, run: FoundRun, files: Mapping[str, bytes], tags: Mapping[str, str]) -> None:
        """Log through MLflow's client."""
        texts = {name: content.decode("utf-8") for name, content in files.items()}
        self._ask("write", run_id=run.run_id, files=texts, tags=dict(tags))


class InterpreterTracking(MlflowTracking):
    """The command's own MLflow, asked through its interpreter.

    Importing MLflow there takes some seconds.
    """

    def __init__(
        self, interpreter: Sequence[str], *, folder: Path, environment: Mapping[str, str]
    ) -> None:
        if not interpreter:
            raise TrackingError(
                "The command's Python is not known, and without it only an MLflow server can be "
                "asked: set MLFLOW_TRACKING_URI to its address."
            )
        try:
            self._started = subprocess.Popen(
                [*interpreter, "-c", Path(inside.__file__).read_text(encoding="utf-8")],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise TrackingError(f"The command's Python does not start: {error}") from error

    def close(self) -> None:
        """End the interpreter."""
        if self._started.stdin is not None:
            self._started.stdin.close()
        if self._started.stdout is not None:
            self._started.stdout.close()
        try:
            self._started.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._started.kill()
            self._started.wait()

    def _ask(self, question: str, **asked: object) -> Any:
        given, taken = self._started.stdin, self._started.stdout
        if given is None or taken is None:
            raise TrackingError("The command's Python was not started for questions.")
        try:
            given.write(json.dumps({"question": question, **asked}) + "\n")
            given.flush()
            said = json.loads(taken.readline() or "{}")
        except (OSError, ValueError) as error:
            raise TrackingError(
                "The command's Python cannot be asked about its runs: MLflow is not installed "
                "there, or does not start."
            ) from error
        if "answer" not in said:
            raise TrackingError(
                str(said.get("error") or "The command's Python has no MLflow that answers.")
            )
        return said["answer"]


class OwnTracking(MlflowTracking):
    """The MLflow of this very process."""

    def __init__(self) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient()

    def _ask(self, question: str, **asked: object) -> Any:
        try:
            return inside.QUESTIONS[question](self._client, asked)
        # MLflow and the stores behind it raise what they like.
        except Exception as error:
            raise TrackingError(f"{type(error).__name__}: {error}"[:500]) from error


def tracking_for(
    environment: Mapping[str, str], *, interpreter: Sequence[str], folder: Path
) -> Tracking:
    """Return how to reach the runs of a command that ran with this environment.

    Raises:
        TrackingError: they cannot be reached.
    """
    uri = environment.get("MLFLOW_TRACKING_URI", "")
    if urlsplit(uri).scheme in ("http", "https"):
        return RestTracking(uri, environment)
    if not uri and not any((folder / name).exists() for name in _DEFAULT_PLACES):
        # To ask MLflow would make what it then finds empty.
        raise TrackingError(
            "MLFLOW_TRACKING_URI is not set, and the command left no runs in its folder."
        )
    return InterpreterTracking(interpreter, folder=folder, environment=environment)


def is_proxied(run: FoundRun) -> bool:
    """Say whether an MLflow server serves a run's artifacts itself."""
    return run.artifact_uri.startswith(PROXIED)
