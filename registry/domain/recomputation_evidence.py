"""What a recomputation measured, read again from its evidence and never believed unread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from lineage.domain.comparison import Verdict
from lineage.domain.control import ControlResult
from lineage.domain.differences import Tolerance

_SIGNATURES: Final = ("absent", "same", "changed")


class Malformed(Exception):
    """The measurements are not what a recomputation records; the message says where."""


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
        control: of the negative control; None where there was none.
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


def read_reproduction(measurements: Mapping[str, Any]) -> Reproduction | str:
    """Read the measurements of a recomputation; what is wrong with them where they cannot be."""
    try:
        return _read(measurements)
    except Malformed as error:
        return str(error)


def _read(measurements: Mapping[str, Any]) -> Reproduction:
    verdict = _word(measurements, "verdict", [one.value for one in Verdict])
    if Verdict(verdict) is Verdict.NOT_REPRODUCIBLE:
        return _without_comparison(measurements)
    _require_own_tolerance(_mapping(measurements, "tolerance"))
    artifacts = _mapping(measurements, "artifacts")
    compared, differing = _count(artifacts, "compared"), _count(artifacts, "differing_count")
    control, control_reason = _control(measurements.get("negative_control"))
    return Reproduction(
        verdict=Verdict(verdict),
        reason=_text(measurements, "reason"),
        record_sha256=_text(measurements, "record_sha256"),
        has_same_bytes=compared > 0 and differing == 0,
        predictions=_predictions(measurements.get("predictions")),
        metrics={
            str(name): _metric(name, found)
            for name, found in _mapping(measurements, "metrics").items()
        },
        differing_parameters=_count(_mapping(measurements, "parameters"), "differing_count"),
        has_same_signature=_word(measurements, "signature", _SIGNATURES) != "changed",
        is_loaded_alike=_word(measurements, "loading", _SIGNATURES) != "changed",
        control=control,
        control_reason=control_reason,
    )


def _without_comparison(measurements: Mapping[str, Any]) -> Reproduction:
    """Return one that never came as far as comparing; its measurements are what there was."""
    return Reproduction(
        verdict=Verdict.NOT_REPRODUCIBLE,
        reason=_text(measurements, "reason"),
        record_sha256=_text(measurements, "record_sha256"),
        has_same_bytes=False,
        predictions="",
        metrics={},
        differing_parameters=0,
        has_same_signature=False,
        is_loaded_alike=False,
        control=None,
        control_reason="",
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
    rows, differing = _count(found, "rows"), _count(found, "rows_differing")
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
        recorded=_exact(found.get("recorded")), recomputed=_exact(found.get("recomputed"))
    )


def _exact(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Fraction(repr(value)) if math.isfinite(value) else None


def _control(found: object) -> tuple[ControlResult | None, str]:
    if found is None:
        return None, ""
    if not isinstance(found, Mapping):
        raise Malformed("negative_control is no mapping")
    result = _word(found, "result", [one.value for one in ControlResult])
    return ControlResult(result), _text(found, "reason")


def _mapping(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    if not isinstance(value, Mapping):
        raise Malformed(f"{name} is missing, or no mapping")
    return value


def _count(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    if type(value) is not int or value < 0:
        raise Malformed(f"{name} is no count")
    return value


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name} is missing, or no text")
    return value


def _word(found: Mapping[str, Any], name: str, among: list[str] | tuple[str, ...]) -> str:
    value = found.get(name)
    if not isinstance(value, str) or value not in among:
        raise Malformed(f"{name} is not one of {', '.join(among)}")
    return value
