"""What a recomputation measured, read again from its evidence and never believed unread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from lineage.domain.comparison import Verdict
from lineage.domain.control import ControlResult
from lineage.domain.differences import Tolerance
from registry.domain.measured import (
    Malformed,
    count_in,
    exact_number,
    mapping_in,
    text_in,
    word_in,
)

_SIGNATURES: Final = ("absent", "same", "changed")


@dataclass(frozen=True, slots=True)
class MeasuredMetric:
    """A metric as it was recorded and as it came out again; None where it is no number.

    Exactly the decimals that a person reads: 0.906 is 453/500.
    """

    recorded: Fraction | None
    recomputed: Fraction | None

    @property
    def difference(self) -> Fraction | None:
        """Give how far the two are apart; None where one is no number."""
        if self.recorded is None or self.recomputed is None:
            return None
        return abs(self.recorded - self.recomputed)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The measurements of one recomputation.

    Attributes:
        verdict: the recorder's own; a gate judges again.
        has_same_bytes: files were compared, and all are the same.
        predictions: ``identical``, ``near`` (within the product's tolerance), ``other``, or empty
            where none could be compared.
        control: of the negative control; None where there was none. near_control: of the other.
    """

    verdict: Verdict
    reason: str
    record_sha256: str
    has_same_bytes: bool
    predictions: str
    metrics: Mapping[str, MeasuredMetric]
    differing_parameters: int
    has_same_signature: bool
    is_loaded_alike: bool
    control: ControlResult | None
    control_reason: str
    near_control: ControlResult | None
    near_control_reason: str


def read_reproduction(measurements: Mapping[str, Any]) -> Reproduction | str:
    """Read the measurements of a recomputation; what is wrong with them where they cannot be."""
    try:
        return _read(measurements)
    except Malformed as error:
        return str(error)


def _read(measurements: Mapping[str, Any]) -> Reproduction:
    verdict = word_in(measurements, "verdict", [one.value for one in Verdict])
    if Verdict(verdict) is Verdict.NOT_REPRODUCIBLE:
        return _without_comparison(measurements)
    _require_own_tolerance(mapping_in(measurements, "tolerance"))
    artifacts = mapping_in(measurements, "artifacts")
    compared, differing = count_in(artifacts, "compared"), count_in(artifacts, "differing_count")
    control, control_reason = _control(measurements, "negative_control")
    near_control, near_control_reason = _control(measurements, "near_control")
    return Reproduction(
        verdict=Verdict(verdict),
        reason=text_in(measurements, "reason"),
        record_sha256=text_in(measurements, "record_sha256"),
        has_same_bytes=compared > 0 and differing == 0,
        predictions=_predictions(measurements.get("predictions")),
        metrics={
            str(name): _metric(name, found)
            for name, found in mapping_in(measurements, "metrics").items()
        },
        differing_parameters=count_in(mapping_in(measurements, "parameters"), "differing_count"),
        has_same_signature=word_in(measurements, "signature", _SIGNATURES) != "changed",
        is_loaded_alike=word_in(measurements, "loading", _SIGNATURES) != "changed",
        control=control,
        control_reason=control_reason,
        near_control=near_control,
        near_control_reason=near_control_reason,
    )


def _without_comparison(measurements: Mapping[str, Any]) -> Reproduction:
    """Return one that never came as far as comparing; its measurements are what there was."""
    return Reproduction(
        verdict=Verdict.NOT_REPRODUCIBLE,
        reason=text_in(measurements, "reason"),
        record_sha256=text_in(measurements, "record_sha256"),
        has_same_bytes=False,
        predictions="",
        metrics={},
        differing_parameters=0,
        has_same_signature=False,
        is_loaded_alike=False,
        control=None,
        control_reason="",
        near_control=None,
        near_control_reason="",
    )


def _require_own_tolerance(found: Mapping[str, Any]) -> None:
    # Of predictions only what they came to by this tolerance is recorded, not each of them.
    own = Tolerance()
    for name, most in (("absolute", own.absolute), ("relative", own.relative)):
        value = found.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= float(value or 0) <= most:
            raise Malformed(f"tolerance.{name} is not a number from 0 to {most:g}")


def _predictions(found: object) -> str:
    if found is None:
        return ""
    if not isinstance(found, Mapping):
        raise Malformed("predictions is no mapping")
    rows, differing = count_in(found, "rows"), count_in(found, "rows_differing")
    identical, near = found.get("identical"), found.get("within_tolerance")
    if type(identical) is not bool or type(near) is not bool or rows < 1 or differing > rows:
        raise Malformed("predictions does not say what was compared")
    if identical != (differing == 0) or (identical and not near):
        raise Malformed("predictions contradicts itself")
    return "identical" if identical else "near" if near else "other"


def _metric(name: object, found: object) -> MeasuredMetric:
    if not isinstance(found, Mapping):
        raise Malformed(f"the metric {str(name)[:80]} is no mapping")
    return MeasuredMetric(
        recorded=exact_number(found.get("recorded")),
        recomputed=exact_number(found.get("recomputed")),
    )


def _control(measurements: Mapping[str, Any], name: str) -> tuple[ControlResult | None, str]:
    found = measurements.get(name)
    if found is None:
        return None, ""
    if not isinstance(found, Mapping):
        raise Malformed(f"{name} is no mapping")
    result = word_in(found, "result", [one.value for one in ControlResult])
    return ControlResult(result), text_in(found, "reason")
