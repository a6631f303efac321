"""Finding the MLflow runs of a command, and writing into them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

PROXIED: Final = "mlflow-artifacts:"
MAX_RUNS: Final = 1_000
MAX_OUTPUTS: Final = 2_000
MAX_OUTPUT_BYTES: Final = 2 * 1024**3


class TrackingError(Exception):
    """MLflow was not reached, or did not do what was asked; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class LoggedDataset:
    """A data set that a run logged with `mlflow.log_input`."""

    name: str
    source_type: str
    source: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that the command made.

    Attributes:
        models: id of a logged model → its name.
    """

    run_id: str
    artifact_uri: str
    params: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[LoggedDataset, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)


class Tracking(ABC):
    """Where the runs of a command are kept."""

    @abstractmethod
    def find_runs(self, capture_id: str, also: Sequence[str] = ()) -> list[FoundRun]:
        """Return the runs that carry this tag of ours, and those of these ids.

        Raises:
            TrackingError: as every method.
        """

    @abstractmethod
    def hash_outputs(self, run: FoundRun) -> dict[str, str]:
        """Return artifact of the run and of its logged models → SHA-256.

        More than `MAX_OUTPUTS` files or `MAX_OUTPUT_BYTES` is a TrackingError.
        """

    @abstractmethod
    def write(self, run: FoundRun, files: Mapping[str, bytes], tags: Mapping[str, str]) -> None:
        """Write artifacts, then tags, so that no tag tells of an artifact that is not there."""

    def close(self) -> None:  # noqa: B027 - not every one has something open
        """Let go of what was opened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()
