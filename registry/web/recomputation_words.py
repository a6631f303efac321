"""How far a recomputation is and what it came to, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lineage.domain.recomputation import RecomputationStatus
from lineage.models import Recomputation
from lineage.recompute.order import Step

# In the order in which they are taken.
_STEPS: Final[Mapping[str, str]] = {
    Step.CODE: "Fetching the code at its commit",
    Step.DATA: "Fetching the data and checking its digests",
    Step.ENVIRONMENT: "Building the recorded environment",
    Step.TRAINING: "Training it again",
    Step.REPEATING: "Training it once more, to see the spread",
    Step.COMPARING: "Comparing what came out",
    Step.CONTROL: "Training it on permuted labels",
    Step.NEAR_CONTROL: "Training it on the same data in other bytes",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a recomputation is.

    Attributes:
        steps: of each step that it takes whether it has been reached.
        words: what is done now.
    """

    steps: tuple[bool, ...]
    words: str
    elapsed: str

    @property
    def place(self) -> int:
        """Give the number of the step at hand, from 1; 0 before the first."""
        return sum(self.steps)


def progress_of(recomputation: Recomputation, now: datetime) -> Progress:
    """Say where an open recomputation is."""
    taken = [
        step
        for step in _STEPS
        if (step is not Step.REPEATING or recomputation.repeats > 1)
        and (step not in (Step.CONTROL, Step.NEAR_CONTROL) or recomputation.negative_control)
    ]
    here = taken.index(recomputation.step) + 1 if recomputation.step in taken else 0
    if recomputation.status == RecomputationStatus.QUEUED:
        words = "Waiting for a worker"
    else:
        words = _STEPS.get(recomputation.step, "Starting")
    since = recomputation.started_at or recomputation.created_at
    return Progress(
        steps=tuple(place < here for place in range(len(taken))),
        words=words,
        elapsed=duration_words((now - since).total_seconds()),
    )


def duration_words(seconds: float) -> str:
    """Write a duration: ``8 s``, ``3 min 5 s``, ``2 h 4 min``; a negative one is none."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def look_of_recomputation(recomputation: Recomputation) -> str:
    """Return the word by which it is shown: its verdict where there is one, else its status."""
    evidence = recomputation.evidence
    if evidence is not None and recomputation.status == RecomputationStatus.DONE:
        return str(evidence.measurements.get("verdict", recomputation.status))
    return str(recomputation.status)
