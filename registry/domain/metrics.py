"""Performance metrics that a policy may name, computed again from the counts, exactly."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

# As in audits: far above any file that is read, and small enough to stay exact and quick.
MAX_ROWS = 10**12
_STATED_TOLERANCE = 1e-9
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Performance:
    """The counts of one version's predictions on one set of rows, favourable as positive.

    `rows_digest` names the rows and their labels: equal digests mean the same rows.
    """

    tp: int
    fp: int
    tn: int
    fn: int
    rows_digest: str

    @property
    def n(self) -> int:
        """Count the rows."""
        return self.tp + self.fp + self.tn + self.fn


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by name: its unit, its range, and how the counts give it.

    `of` gives None for 0/0. All of them are better when higher; the ideal value is 1.
    """

    name: str
    words: str
    unit: str
    of: Callable[[Performance], Fraction | None]


def _ratio(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def _accuracy(counts: Performance) -> Fraction | None:
    return _ratio(counts.tp + counts.tn, counts.n)


def _balanced_accuracy(counts: Performance) -> Fraction | None:
    tpr = _ratio(counts.tp, counts.tp + counts.fn)
    tnr = _ratio(counts.tn, counts.tn + counts.fp)
    return None if tpr is None or tnr is None else (tpr + tnr) / 2


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("accuracy", "accuracy", "fraction", _accuracy),
            Metric("balanced_accuracy", "balanced accuracy", "fraction", _balanced_accuracy),
            Metric(
                "true_positive_rate",
                "true positive rate",
                "fraction",
                lambda counts: _ratio(counts.tp, counts.tp + counts.fn),
            ),
            Metric(
                "true_negative_rate",
                "true negative rate",
                "fraction",
                lambda counts: _ratio(counts.tn, counts.tn + counts.fp),
            ),
            Metric(
                "precision",
                "precision",
                "fraction",
                lambda counts: _ratio(counts.tp, counts.tp + counts.fp),
            ),
        )
    }
)


def read_performance(measurements: object) -> Performance | str:
    """Read recorded performance measurements; the fault in words where they cannot be relied on.

    Counts must be whole and add up to `n`. A metric that is stated beside them must agree with
    them, for measurements that contradict themselves prove nothing.
    """
    if not isinstance(measurements, Mapping):
        return "the measurements are not an object"
    counts = [measurements.get(name) for name in ("tp", "fp", "tn", "fn", "n")]
    # bool is an int, and True rows are not a count.
    if not all(type(count) is int and 0 <= count <= MAX_ROWS for count in counts):
        return "tp, fp, tn, fn and n must be whole numbers"
    rows_digest = measurements.get("rows_digest")
    if not isinstance(rows_digest, str) or _SHA256_HEX.fullmatch(rows_digest) is None:
        return "rows_digest must be 64 lower-case hexadecimal digits"
    tp, fp, tn, fn, n = (int(count) for count in counts if count is not None)
    performance = Performance(tp=tp, fp=fp, tn=tn, fn=fn, rows_digest=rows_digest)
    if performance.n != n:
        return "tp, fp, tn and fn do not add up to n"
    if n == 0:
        return "there are no rows"
    for metric in METRICS.values():
        if metric.name in measurements and not _agrees(
            measurements[metric.name], metric.of(performance)
        ):
            return f"the stated {metric.words} is not the one that the counts give"
    return performance


def _agrees(stated: Any, exact: Fraction | None) -> bool:
    if stated is None or exact is None:
        return stated is None and exact is None
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        return False
    # Range first: an int of a million digits must not be turned into a float.
    if not -1 <= stated <= 2 or not math.isfinite(stated):
        return False
    return abs(stated - float(exact)) <= _STATED_TOLERANCE
