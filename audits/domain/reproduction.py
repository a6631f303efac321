"""What a recomputation measured, in words: for its page, for the evidence's, and for the report.

Measurements are whatever JSON was recorded: what is missing or odd is left out, nothing raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LEGS: Final = ("code", "data", "environment", "configuration")
VERDICTS: Final[Mapping[str, str]] = {
    "identical": "Identical",
    "within_tolerance": "Within tolerance",
    "diverged": "Diverged",
    "not_reproducible": "Not reproducible",
}
_CONTROL: Final[Mapping[str, str]] = {
    "changed": "Another model came out",
    "same": "The same model came out",
    "failed": "The training failed",
    "not_possible": "Not possible",
}
_CONTROLS: Final[Mapping[str, str]] = {
    "negative_control": "Trained on permuted labels",
    "near_control": "Trained on the same data in other bytes",
}
_MOST: Final = 10**15  # no count of ours is larger, and Python refuses to print the largest
_SIGNATURES: Final[Mapping[str, str]] = {
    "same": "The same columns",
    "changed": "Other columns",
    "absent": "None recorded",
}
_LOADINGS: Final[Mapping[str, str]] = {
    "same": "The same way",
    "changed": "In another way",
    "absent": "None recorded",
}


@dataclass(frozen=True, slots=True)
class LegWords:
    """What became of one leg: ``held``, ``failed``, ``not_recorded`` or ``not_reached``."""

    name: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class MetricWords:
    """One metric as it was recorded and as it came out; empty where it is no number."""

    name: str
    recorded: str
    recomputed: str
    difference: str


@dataclass(frozen=True, slots=True)
class ReproductionWords:
    """One recomputation, in the order in which it is read.

    Attributes:
        verdict: one of `VERDICTS`; empty where it came to none.
        facts: what was compared, and what that gave.
        log_sha256, record_sha256: empty where there is none.
    """

    verdict: str
    reason: str
    legs: tuple[LegWords, ...]
    facts: tuple[tuple[str, str], ...]
    metrics: tuple[MetricWords, ...]
    parameters: tuple[tuple[str, str, str], ...]
    log_sha256: str
    record_sha256: str


def tell_reproduction(measurements: Mapping[str, Any]) -> ReproductionWords:
    """Lay a recomputation's measurements out in words."""
    verdict = _text(measurements.get("verdict"))
    return ReproductionWords(
        verdict=verdict if verdict in VERDICTS else "",
        reason=_text(measurements.get("reason")),
        legs=tuple(_legs(measurements.get("legs"))),
        facts=tuple(_facts(measurements)),
        metrics=tuple(_metrics(measurements.get("metrics"))),
        parameters=tuple(_parameters(_mapping(measurements.get("parameters")))),
        log_sha256=_text(measurements.get("log_sha256")),
        record_sha256=_text(measurements.get("record_sha256")),
    )


def _legs(found: object) -> Iterator[LegWords]:
    legs = _mapping(found)
    for name in LEGS:
        leg = _mapping(legs.get(name))
        if leg:
            yield LegWords(name, _text(leg.get("outcome")), _text(leg.get("reason")))


def _facts(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    artifacts = _mapping(found.get("artifacts"))
    compared, differing = (
        _count(artifacts.get("compared")),
        _count(artifacts.get("differing_count")),
    )
    if compared is not None and differing is not None:
        same = "all with the same bytes" if not differing else f"{differing:,} with other bytes"
        yield "Files compared", f"{compared:,}, {same}" if compared else "none"
    predictions = _mapping(found.get("predictions"))
    rows, changed = _count(predictions.get("rows")), _count(predictions.get("rows_differing"))
    if rows is not None and changed is not None:
        yield "Predictions", _prediction_words(rows, changed, predictions.get("max_difference"))
    elif "predictions" in found:
        yield "Predictions", "not compared"
    signature = _SIGNATURES.get(_text(found.get("signature")))
    if signature:
        yield "Columns", signature
    loading = _LOADINGS.get(_text(found.get("loading")))
    if loading:
        yield "Loaded", loading
    parameters = _mapping(found.get("parameters"))
    count, other = _count(parameters.get("compared")), _count(parameters.get("differing_count"))
    if count is not None and other is not None:
        yield "Parameters", f"{count:,}, {f'{other:,} differ' if other else 'all the same'}"
    for name, words in _CONTROLS.items():
        control = _mapping(found.get(name))
        result = _CONTROL.get(_text(control.get("result")))
        if result:
            reason = _text(control.get("reason"))
            yield words, f"{result}. {reason}".strip()
    spread = _mapping(found.get("spread"))
    repeats = _count(spread.get("repeats"))
    if repeats is not None:
        alike = "alike" if spread.get("is_deterministic") is True else "not alike"
        yield "Trained so many times", f"{repeats:,}, and they came out {alike}"
    seconds = _mapping(found.get("seconds"))
    total = sum(value for value in map(_number, seconds.values()) if value is not None)
    if total:
        yield "Took", f"{total:,.1f} s"


def _prediction_words(rows: int, changed: int, largest: object) -> str:
    if not changed:
        return f"{rows:,} rows, all the same to the last bit"
    most = _number(largest)
    by = "" if most is None else f", by at most {most:.3g}"
    return f"{changed:,} of {rows:,} rows differ{by}"


def _metrics(found: object) -> Iterator[MetricWords]:
    for name, one in _mapping(found).items():
        metric = _mapping(one)
        recorded, recomputed, difference = (
            _decimal(metric.get(part)) for part in ("recorded", "recomputed", "difference")
        )
        yield MetricWords(str(name), recorded, recomputed, difference)


def _parameters(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the parameters that differ: name, as recorded, as it is now; empty is absent."""
    for name, pair in _mapping(found.get("differing")).items():
        if isinstance(pair, list) and len(pair) == 2:
            yield str(name), _text(pair[0]), _text(pair[1])


def _decimal(value: object) -> str:
    number = _number(value)
    return "" if number is None else f"{number:.6g}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < _MOST else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None
