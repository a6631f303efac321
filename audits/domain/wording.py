"""Numbers in the words of a reason: rounded for people, never across a bound."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from audits.domain.counts import GroupCounts
from audits.domain.intervals import Interval


def percent(part: int, whole: int) -> str:
    """Return a share with one decimal, such as ``75.8%``."""
    return f"{part / whole:.1%}"


def people_text(n: int) -> str:
    """Return a number of people, such as ``1 person`` or ``1,240 people``."""
    return "1 person" if n == 1 else f"{n:,} people"


def rate_text(group: GroupCounts) -> str:
    """Return a group's rate, such as ``Black 75.8% (75 of 99)``."""
    return f"{group.name} {percent(group.selected, group.n)} ({group.selected:,} of {group.n:,})"


def p_text(p_value: float) -> str:
    """Return an adjusted p-value with two digits that count, such as ``adjusted p = 0.032``."""
    return "adjusted p < 0.001" if p_value < 0.001 else f"adjusted p = {p_value:.2g}"


@lru_cache(maxsize=256)
def bound_text(bound: Fraction) -> str:
    """Return a bound as it is usually written: ``0.80``."""
    number = float(bound)
    return f"{number:.2f}" if Fraction(f"{number:.2f}") == bound else f"{number:.4g}"


def ratio_text(group: GroupCounts, reference: GroupCounts, bound: Fraction) -> str:
    """Return an impact ratio with three decimals, or as many as tell it from the bound."""
    if reference.selected == 0 or group.n == 0:
        return "undefined"
    ratio = Fraction(group.selected * reference.n, group.n * reference.selected)
    return apart(float(ratio), bound, exact=ratio)


def low_end_text(interval: Interval | None, bound: Fraction) -> str:
    """Return the lower end of an interval, or that there is none."""
    return "undefined" if interval is None else apart(interval.low, bound)


def apart(number: float, bound: Fraction, exact: Fraction | None = None) -> str:
    """Return a number with three decimals, or as many as tell it from a bound that it is not."""
    text = f"{number:.3f}"
    if abs(number - float(bound)) > 0.001:  # as nearly always: three decimals tell them apart
        return text
    value = Fraction(number) if exact is None else exact
    for decimals in range(4, 16):
        if value == bound or Fraction(text) != bound:
            break
        text = f"{number:.{decimals}f}"
    return text
