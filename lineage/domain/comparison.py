"""What a retraining came to: the version that is there, compared with the one made again.

Strongest first: the model's bytes, its predictions on a frozen probe set, its metrics. The
strongest that can be compared says how good the verdict can be; any that contradicts makes it
``diverged``. Where nothing can be compared nothing was reproduced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from lineage.domain.differences import (
    Outcome,
    Tolerance,
    compare_artifacts,
    compare_metrics,
    compare_parameters,
    compare_predictions,
    compare_signatures,
)
from lineage.domain.redaction import bounded


class Verdict(StrEnum):
    """What a recomputation came to."""

    IDENTICAL = "identical"
    WITHIN_TOLERANCE = "within_tolerance"
    DIVERGED = "diverged"
    NOT_REPRODUCIBLE = "not_reproducible"

    @property
    def is_reproduced(self) -> bool:
        """Say whether the same model came out."""
        return self in (Verdict.IDENTICAL, Verdict.WITHIN_TOLERANCE)


class Basis(StrEnum):
    """The strongest thing that could be compared."""

    ARTIFACT_BYTES = "artifact_bytes"
    PREDICTIONS = "predictions"
    METRICS = "metrics"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A verdict, why, and the numbers behind it.

    Attributes:
        leg: ``configuration`` where a parameter or the signature differs; empty where no leg is
            to blame.
        measurements: JSON: ``basis``, ``artifacts``, ``predictions``, ``metrics``,
            ``parameters``, ``signature``.
    """

    verdict: Verdict
    reason: str
    leg: str
    measurements: Mapping[str, Any]


def compare(
    recorded: Outcome, recomputed: Outcome, tolerance: Tolerance | None = None
) -> Comparison:
    """Compare what is there with what came out again. Never raises.

    Law: taking away what can be compared never makes the verdict better.
    """
    tolerance = tolerance or Tolerance()
    artifacts = compare_artifacts(recorded.files, recomputed.files)
    predictions = compare_predictions(recorded, recomputed, tolerance)
    metrics, off = compare_metrics(recorded.metrics, recomputed.metrics, tolerance)
    parameters = compare_parameters(recorded.parameters, recomputed.parameters)
    signature = compare_signatures(recorded.signature, recomputed.signature)
    loading = compare_signatures(recorded.loading, recomputed.loading)
    basis = _basis(artifacts, predictions, metrics)
    measurements = {
        "basis": basis.value,
        "tolerance": {"absolute": tolerance.absolute, "relative": tolerance.relative},
        "artifacts": artifacts,
        "predictions": predictions,
        "metrics": metrics,
        "parameters": parameters,
        "signature": signature,
        "loading": loading,
    }
    contradiction = (
        _other_call(parameters)
        or _other_model(signature, loading)
        or _other_predictions(predictions)
        or _other_metrics(metrics, off)
    )
    verdict, reason = (
        (Verdict.DIVERGED, contradiction) if contradiction else _judge(basis, predictions, metrics)
    )
    leg = "configuration" if parameters["differing_count"] else ""
    return Comparison(verdict, bounded(reason, 600), leg, measurements)


def compare_all(
    recorded: Outcome, recomputed: Sequence[Outcome], tolerance: Tolerance | None = None
) -> Comparison:
    """Compare with every retraining, and return the comparison that came out worst.

    Args:
        recomputed: at least one: nobody trains until one of them happens to fit.
    """
    found = [compare(recorded, outcome, tolerance) for outcome in recomputed]
    return min(found, key=lambda one: _FROM_WORST.index(one.verdict))


_FROM_WORST: Final = (
    Verdict.NOT_REPRODUCIBLE,
    Verdict.DIVERGED,
    Verdict.WITHIN_TOLERANCE,
    Verdict.IDENTICAL,
)


def _judge(
    basis: Basis,
    predictions: Mapping[str, Any] | None,
    metrics: Mapping[str, Mapping[str, Any]],
) -> tuple[Verdict, str]:
    """Return the verdict where nothing speaks against the same model having come out."""
    if basis is Basis.ARTIFACT_BYTES:
        return Verdict.IDENTICAL, "The model's files came out with the same bytes."
    if predictions is not None:
        rows = _counted(predictions["rows"], "row")
        if predictions["identical"]:
            reason = f"The model made again predicts the same to the last bit on {rows}."
            return Verdict.IDENTICAL, reason
        by = f"{predictions['max_difference']:.3g}"
        return Verdict.WITHIN_TOLERANCE, f"Predictions on {rows} differ by at most {by}."
    if metrics:
        count = _counted(len(metrics), "metric")
        reason = f"The model itself could not be compared; {count} came out as recorded."
        return Verdict.WITHIN_TOLERANCE, reason
    reason = (
        "Nothing that the training made can be compared: its files differ, the model cannot be "
        "asked, and no metric is recorded."
    )
    return Verdict.NOT_REPRODUCIBLE, reason


# What speaks against the same model having come out, each empty where it does not.


def _other_call(parameters: Mapping[str, Any]) -> str:
    if not parameters["differing"]:
        return ""
    name, (old, new) = next(iter(parameters["differing"].items()))
    more = _more(parameters["differing_count"])
    return f"The parameter {name} was {_shown(old)} and is {_shown(new)} now{more}."


def _other_model(signature: str, loading: str) -> str:
    if signature == "changed":
        return "The model takes or gives other columns than it did."
    return "The MLmodel file says something else than it did." if loading == "changed" else ""


def _other_predictions(predictions: Mapping[str, Any] | None) -> str:
    if predictions is None or predictions["within_tolerance"]:
        return ""
    by = predictions["max_difference"]
    how = f", by up to {by:.6g}" if by else ""
    rows = _counted(predictions["rows"], "row")
    return f"Predictions differ in {predictions['rows_differing']:,} of {rows}{how}."


def _other_metrics(metrics: Mapping[str, Mapping[str, Any]], off: Sequence[str]) -> str:
    if not off:
        return ""
    found = metrics[off[0]]
    difference = found["difference"]
    by = "cannot be compared" if difference is None else f"differs by {difference:.6g}"
    old, new = _number(found["recorded"]), _number(found["recomputed"])
    return f"The metric {off[0]} {by}: {old} was recorded and {new} came out{_more(len(off))}."


def _basis(
    artifacts: Mapping[str, Any],
    predictions: Mapping[str, Any] | None,
    metrics: Mapping[str, Any],
) -> Basis:
    if artifacts["compared"] and not artifacts["differing_count"]:
        return Basis.ARTIFACT_BYTES
    if predictions is not None:
        return Basis.PREDICTIONS
    return Basis.METRICS if metrics else Basis.NOTHING


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:.6g}"


def _shown(value: str | None) -> str:
    return "not there" if value is None else repr(value)
