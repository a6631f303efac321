"""Measuring how far two trainings of one record are apart, as JSON for evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lineage.domain.redaction import bounded

# MLflow writes the run, a time and a size into it, so that two are never alike.
ALWAYS_DIFFERENT: Final = frozenset({"MLmodel"})
# What the machine did and how long it took is no property of the model.
_OF_THE_MACHINE: Final = re.compile(r"^system/|(^|[_/.\-])(seconds|duration|time|elapsed)$")
_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two numbers may be apart: ``|a - b| <= absolute + relative * |a|``.

    Attributes:
        relative: 1e-6 is far above what the order of floating-point sums does, and far below
            what changes a decision.
    """

    absolute: float = 1e-9
    relative: float = 1e-6

    def __post_init__(self) -> None:
        for value in (self.absolute, self.relative):
            if not (math.isfinite(value) and 0 <= value <= 1):
                raise ValueError("a tolerance is a number from 0 to 1")

    def covers(self, recorded: float, recomputed: float) -> bool:
        """Say whether two numbers are near enough; NaN and infinity never are."""
        if not (math.isfinite(recorded) and math.isfinite(recomputed)):
            return False
        return abs(recorded - recomputed) <= self.absolute + self.relative * abs(recorded)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one training left: of the version that is there, or of its retraining.

    Attributes:
        files: of the model's folder, name → SHA-256.
        predictions: on the probe set, a list for each column, in the order of its rows; None
            where the model could not be asked.
        signature: the model's, canonical; empty where it has none.
        loading: how the model is loaded, canonical; empty where nothing says it.
        metrics: None is NaN or infinite.
    """

    files: Mapping[str, str]
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""
    loading: str = ""
    predictions: Mapping[str, Sequence[float | int | str | bool | None]] | None = None


def compare_artifacts(recorded: Mapping[str, str], recomputed: Mapping[str, str]) -> dict[str, Any]:
    names = sorted((recorded.keys() | recomputed.keys()) - ALWAYS_DIFFERENT)
    differing = [name for name in names if recorded.get(name) != recomputed.get(name)]
    return {
        "compared": len(names),
        "differing_count": len(differing),
        "differing": [bounded(name, 300) for name in differing[:_NAMED]],
        "left_out": sorted(ALWAYS_DIFFERENT & recorded.keys()),
    }


def compare_predictions(
    recorded: Outcome, recomputed: Outcome, tolerance: Tolerance
) -> dict[str, Any] | None:
    ours, theirs = recorded.predictions, recomputed.predictions
    if not ours and not theirs:
        return None
    if not ours or not theirs:
        # One of the two answers and the other one does not: that is a difference.
        return _unlike(len(next(iter((ours or theirs or {}).values()))))
    rows = len(next(iter(ours.values())))
    if ours.keys() != theirs.keys() or any(
        len(ours[name]) != rows or len(theirs[name]) != rows for name in ours
    ):
        return _unlike(rows)
    if rows == 0:
        return None
    changed = [False] * rows
    is_within, largest = True, 0.0
    for name in ours:
        for row, (old, new) in enumerate(zip(ours[name], theirs[name], strict=True)):
            if type(old) is type(new) and old == new:
                continue
            changed[row] = True
            if not (isinstance(old, float) and isinstance(new, float)):
                is_within = False
            elif not tolerance.covers(old, new):
                is_within = False
                largest = max(largest, abs(old - new) if math.isfinite(old - new) else math.inf)
            else:
                largest = max(largest, abs(old - new))
    return {
        "rows": rows,
        "rows_differing": sum(changed),
        "identical": not any(changed),
        "within_tolerance": is_within,
        "max_difference": largest if math.isfinite(largest) else None,
    }


def _unlike(rows: int) -> dict[str, Any]:
    return {
        "rows": rows,
        "rows_differing": rows,
        "identical": False,
        "within_tolerance": False,
        "max_difference": None,
    }


def compare_metrics(
    recorded: Mapping[str, float | None],
    recomputed: Mapping[str, float | None],
    tolerance: Tolerance,
) -> tuple[dict[str, dict[str, float | None]], list[str]]:
    """Return the metrics, the farthest apart first, and the names of those that are too far."""
    compared: dict[str, dict[str, float | None]] = {}
    off = []
    for name in sorted(recorded):
        if _OF_THE_MACHINE.search(name):
            continue
        old, new = _finite(recorded[name]), _finite(recomputed.get(name))
        difference = None if old is None or new is None else abs(old - new)
        compared[name] = {"recorded": old, "recomputed": new, "difference": difference}
        if old is None or new is None or not tolerance.covers(old, new):
            off.append(name)

    def farthest(name: str) -> tuple[float, str]:
        difference = compared[name]["difference"]
        return (-math.inf if difference is None else -difference, name)

    off.sort(key=farthest)
    kept = sorted(compared, key=lambda name: (name not in off, *farthest(name)))
    return {name: compared[name] for name in kept}, off


def compare_parameters(
    recorded: Mapping[str, str], recomputed: Mapping[str, str]
) -> dict[str, Any]:
    differing = {
        name: (recorded.get(name), recomputed.get(name))
        for name in sorted(recorded.keys() | recomputed.keys())
        if recorded.get(name) != recomputed.get(name)
    }
    return {
        "compared": len(recorded.keys() | recomputed.keys()),
        "differing_count": len(differing),
        "differing": {
            bounded(name, 200): [
                None if value is None else bounded(value, 200) for value in differing[name]
            ]
            for name in list(differing)[:_NAMED]
        },
    }


def compare_signatures(recorded: str, recomputed: str) -> str:
    if not recorded and not recomputed:
        return "absent"
    return "same" if recorded == recomputed else "changed"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
