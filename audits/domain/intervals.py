"""Score intervals for a rate and for a ratio of two rates, in pure Python.

A gate judges in the web process, so nothing heavier than the stdlib is imported here. Only
arithmetic and square roots are used in the search: the same counts give the same bits everywhere.
The group has k of n; its reference, which the rule calls K of N, is k0 of n0 here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval, low <= high."""

    low: float
    high: float


@lru_cache(maxsize=64)
def two_sided_z(confidence: float) -> float:
    """Return the normal quantile that leaves half of 1 - confidence (in (0, 1)) in each tail."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(k: int, n: int, *, confidence: float) -> Interval | None:
    """Return the Wilson score interval of the rate k / n, within [0, 1]; None where n is 0.

    Source: E. B. Wilson (1927), JASA 22, 209-212; no continuity correction.
    """
    if n == 0:
        return None
    z = two_sided_z(confidence)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    # At the edges the bound is the edge itself; rounding must not move it inside.
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Interval(low, high)


def score_statistic(
    k: int,
    n: int,
    k0: int,
    n0: int,
    ratio: float,
) -> float:
    """Return Miettinen and Nurminen's signed z for (k / n) / (k0 / n0) = ratio; n, n0, ratio > 0.

    Positive where the observed ratio is the larger. The variance is taken at the rates that are
    most likely under the hypothesis, times (n + n0) / (n + n0 - 1).

    Source: O. Miettinen, M. Nurminen (1985), Statistics in Medicine 4, 213-226, eq. 9 and
    appendix I.
    """
    people = n + n0
    difference = k / n - ratio * (k0 / n0)
    b = ratio * (n + k0) + k + n0
    # Both roots of ratio * people * p^2 - b * p + (k + k0) = 0 are real; the smaller one is the
    # reference rate. Written with the constant on top, it loses no digits to cancellation.
    root = math.sqrt(max(0.0, b * b - 4 * ratio * people * (k + k0)))
    reference_rate = min(2 * (k + k0) / (b + root), 1.0, 1 / ratio)
    group_rate = min(1.0, ratio * reference_rate)
    variance = (
        group_rate * (1 - group_rate) / n + ratio**2 * reference_rate * (1 - reference_rate) / n0
    ) * (people / (people - 1))
    if variance <= 0:
        return 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return difference / math.sqrt(variance)


@lru_cache(maxsize=4096)
def miettinen_nurminen(
    k: int,
    n: int,
    k0: int,
    n0: int,
    confidence: float,
) -> Interval | None:
    """Return the score interval of the ratio (k / n) / (k0 / n0).

    None where the ratio itself is undefined: n, n0 or k0 is 0 (its upper end is then infinite, and
    JSON has no infinity). At k = 0 the lower end is 0.

    Source: O. Miettinen, M. Nurminen (1985), Statistics in Medicine 4, 213-226. The ends are found
    by inverting the test itself, because closed forms go wrong where k = n.
    """
    if n == 0 or n0 == 0 or k0 == 0:
        return None
    z = two_sided_z(confidence)
    observed = (k * n0) / (n * k0)
    low = 0.0
    if k > 0:
        bottom = observed
        while score_statistic(k, n, k0, n0, bottom) < z:
            bottom /= 2
        low = _crossing(k, n, k0, n0, bottom, observed, z)
    top = observed if k > 0 else 1.0
    while score_statistic(k, n, k0, n0, top) > -z:
        top *= 2
    high = _crossing(k, n, k0, n0, observed, top, -z)
    return Interval(low, high)


def _crossing(k: int, n: int, k0: int, n0: int, low: float, high: float, target: float) -> float:
    """Return where the statistic, which falls as the ratio grows, crosses the target."""
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            # No float between the two is left. The end nearer to the outside is the honest one.
            return low if target > 0 else high
        if score_statistic(k, n, k0, n0, middle) > target:
            low = middle
        else:
            high = middle
