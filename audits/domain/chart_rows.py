"""What a chart shows of one attribute's measurements; odd values are left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from audits.domain.names import UNKNOWN
from audits.domain.wording import apart, bound_text, people_text

VERDICTS = ("pass", "fail", "insufficient", "error")


@dataclass(frozen=True, slots=True)
class ChartBounds:
    """The criteria that a chart draws: its limit, whom it flags as few, what a pass had to be."""

    impact_ratio: Fraction = Fraction(4, 5)
    significance: Fraction = Fraction(1, 20)
    min_group: int = 30
    confidence: Fraction = Fraction(9, 10)
    standard: str = ""
    is_scored: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One group: `state` is reference, unknown, a verdict, or empty where it has none."""

    name: str
    n: int
    rate: float | None
    low: float | None
    high: float | None
    state: str
    words: str


def verdict_of(measured: Mapping[str, object]) -> str:
    """Return the attribute's verdict, ``reported`` where it is not judged, else empty."""
    if measured.get("judged") is not True:
        return "reported"
    verdict = measured.get("verdict")
    return verdict if isinstance(verdict, str) and verdict in VERDICTS else ""


def read_rows(
    measured: Mapping[str, object], bounds: ChartBounds, only: Sequence[str] | None
) -> tuple[Row, ...]:
    """Read the groups: the reference first, then by number of people, `unknown` last.

    `only` names the groups to show, in its order.
    """
    groups = measured.get("groups")
    if not isinstance(groups, Mapping):
        return ()
    reference = measured.get("reference")
    rows = [
        _row(str(name), found, is_reference=name == reference, bounds=bounds)
        for name, found in groups.items()
        if isinstance(found, Mapping) and _count(found.get("n")) is not None
    ]
    if only is not None:
        by_name = {row.name: row for row in rows}
        return tuple(by_name[name] for name in only if name in by_name)
    rows.sort(key=lambda row: (row.name == UNKNOWN, row.state != "reference", -row.n, row.name))
    return tuple(rows)


def reference_rate(measured: Mapping[str, object]) -> float | None:
    """Return the reference's selection rate, None where there is no reference."""
    groups, reference = measured.get("groups"), measured.get("reference")
    if not isinstance(groups, Mapping) or not isinstance(reference, str):
        return None
    found = groups.get(reference)
    return _share(found.get("selection_rate")) if isinstance(found, Mapping) else None


def _row(name: str, found: Mapping[str, object], *, is_reference: bool, bounds: ChartBounds) -> Row:
    verdict = found.get("verdict")
    state = verdict if isinstance(verdict, str) and verdict in VERDICTS else ""
    if name == UNKNOWN:
        state = "unknown"
    elif is_reference:
        state = "reference"
    n = _count(found.get("n")) or 0
    return Row(
        name=name,
        n=n,
        rate=_share(found.get("selection_rate")),
        low=_share(found.get("rate_low")),
        high=_share(found.get("rate_high")),
        state=state,
        words=_words(found, n, state, bounds),
    )


def _words(found: Mapping[str, object], n: int, state: str, bounds: ChartBounds) -> str:
    few = n < bounds.min_group
    if found.get("excluded") is True:
        return "excluded: compared with nobody"
    if state == "unknown":
        return "group not known: counted, not judged"
    if state == "reference":
        small = f", though only {people_text(n)}" if few else ""
        return f"reference: the others are compared with it{small}"
    ratio = _positive(found.get("impact_ratio"))
    if ratio is None:
        return f"only {people_text(n)}; no ratio" if few else "no ratio"
    bound = bound_text(bounds.impact_ratio)
    words = f"ratio {apart(ratio, bounds.impact_ratio)}"
    low, high = _positive(found.get("ratio_low")), _positive(found.get("ratio_high"))
    if low is not None and high is not None:
        ends = (apart(low, bounds.impact_ratio), apart(high, bounds.impact_ratio))
        words += f" ({ends[0]} to {ends[1]})"
    p_holm = _positive(found.get("p_holm"))
    significant = p_holm is not None and p_holm < bounds.significance
    if found.get("below") is True:
        words += f", below {bound}, {'significant' if significant else 'not significant'}"
        return words + (f"; only {people_text(n)}" if few else "")
    if few:
        return f"{words}; only {people_text(n)}"
    if state == "insufficient" and low is not None and low < bounds.impact_ratio:
        return f"{words}; may be below {bound}"
    if state in ("pass", "fail") and significant:
        return f"{words}, not below {bound}; gap significant"
    return f"{words}, not below {bound}" if state == "pass" else words


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value < 1e6 else None


def _share(value: object) -> float | None:
    number = _positive(value)
    return number if number is not None and number <= 1 else None
