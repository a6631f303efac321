"""What is ordered of a recomputation, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lineage.domain.comparison import Verdict
from lineage.domain.differences import Outcome, Tolerance
from muniment.lineage_file import LineageFile


class Step(StrEnum):
    """Where a recomputation stands; in this order."""

    CODE = "code"
    DATA = "data"
    ENVIRONMENT = "environment"
    TRAINING = "training"
    REPEATING = "repeating"
    CONTROL = "negative_control"
    NEAR_CONTROL = "near_control"
    COMPARING = "comparing"


@dataclass(frozen=True, slots=True)
class RecomputationOrder:
    """One version, as its lineage record says that it was made.

    Attributes:
        record_sha256: of the record's envelope in the log.
        lock: the bytes of the recorded lock file; empty where there is none.
        recorded: the version's files, metrics and parameters, by the record.
        repeats: how often it is trained, 1 to 10; more than once shows the spread.
        negative_control: train once more with permuted labels, and once more on the same data in
            other bytes.
        fetch_model: writes the version's own files below a folder; they never meet its training.
    """

    version_uri: str
    record_sha256: str
    source_name: str
    capture: LineageFile
    lock: bytes
    recorded: Outcome
    fetch_model: Callable[[Path], None]
    tolerance: Tolerance = field(default_factory=Tolerance)
    repeats: int = 1
    negative_control: bool = True


@dataclass(frozen=True, slots=True)
class LegOutcome:
    """What became of one leg and why: ``held``, ``failed``, ``not_recorded``, ``not_reached``."""

    outcome: str
    reason: str = ""

    def as_mapping(self) -> dict[str, str]:
        """Return it as JSON."""
        return {"outcome": self.outcome, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What a recomputation came to.

    Attributes:
        reason: one sentence; it names the leg where one is to blame.
        legs: code, data, environment and configuration, in this order.
        measurements: JSON for evidence: ``basis``, ``artifacts``, ``predictions``, ``metrics``,
            ``parameters``, ``signature``, ``negative_control``, ``near_control``, ``spread``,
            ``seconds``, ``legs``, ``record_sha256``, ``log_sha256``.
        log_sha256: of everything that the training wrote on its output.
    """

    verdict: Verdict
    reason: str
    legs: Mapping[str, LegOutcome]
    measurements: Mapping[str, Any]
    log_sha256: str
