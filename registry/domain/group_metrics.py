"""Metrics of groups that a policy may bound, computed again from the counts, exactly.

Defined as fairlearn defines them (the favourable outcome is the positive class), except that 0/0
is no number here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from audits.domain.counts import GroupCounts

DIFFERENCE: Final = "difference"
RATIO: Final = "ratio"
UNITS: Final = MappingProxyType({DIFFERENCE: "fraction", RATIO: "ratio"})


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of some of a group's people: `part` of `whole`; None where no labels are known."""

    words: str
    of: Callable[[GroupCounts], tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class GroupMetric:
    """How far groups are apart in one rate, or in the worst of several.

    `aspect` is ``difference`` (highest less lowest, ideal 0) or ``ratio`` (lowest over highest,
    ideal 1).
    """

    name: str
    rates: tuple[Rate, ...]
    aspect: str

    @property
    def unit(self) -> str:
        """Give the unit of a bound."""
        return UNITS[self.aspect]

    @property
    def words(self) -> str:
        """Give the name as people say it."""
        return self.name.replace("_", " ")

    def of(self, groups: Sequence[GroupCounts], *, least: int) -> Fraction | None:
        """Give the metric over the groups whose rates stand on `least` people, the worst rate's.

        None where fewer than two groups have such a rate, or the highest rate is 0 in a ratio.
        """
        found = [self._apart(rate, groups, least) for rate in self.rates]
        apart = [one for one in found if one is not None]
        if not apart:
            return None
        return max(apart) if self.aspect == DIFFERENCE else min(apart)

    def _apart(self, rate: Rate, groups: Sequence[GroupCounts], least: int) -> Fraction | None:
        counted = [rate.of(group) for group in groups]
        shares = [Fraction(*pair) for pair in counted if pair is not None and pair[1] >= least]
        if len(shares) < 2:
            return None
        lowest, highest = min(shares), max(shares)
        if self.aspect == DIFFERENCE:
            return highest - lowest
        return lowest / highest if highest else None

    def small(self, groups: Sequence[GroupCounts], *, least: int) -> list[str]:
        """Name the groups of which a rate stands on fewer than `least` people."""
        return [
            group.name
            for group in groups
            if any(
                counted is None or counted[1] < least
                for counted in (rate.of(group) for rate in self.rates)
            )
        ]

    def is_zero_by_zero(self, groups: Sequence[GroupCounts], *, least: int) -> bool:
        """Tell whether one of the rates gives no number although it stands on people enough."""
        return any(self._apart(rate, groups, least) is None for rate in self.rates)


def _of_labels(
    count: Callable[[int, int, int, int], tuple[int, int]],
) -> Callable[[GroupCounts], tuple[int, int] | None]:
    def of(group: GroupCounts) -> tuple[int, int] | None:
        matrix = group.confusion
        return None if matrix is None else count(matrix.tp, matrix.fp, matrix.tn, matrix.fn)

    return of


_SELECTION = Rate("selection rate", lambda group: (group.selected, group.n))
_TPR = Rate("true positive rate", _of_labels(lambda tp, _fp, _tn, fn: (tp, tp + fn)))
_FPR = Rate("false positive rate", _of_labels(lambda _tp, fp, tn, _fn: (fp, fp + tn)))
_FNR = Rate("false negative rate", _of_labels(lambda tp, _fp, _tn, fn: (fn, tp + fn)))
_PPV = Rate("precision", _of_labels(lambda tp, fp, _tn, _fn: (tp, tp + fp)))
_ACCURACY = Rate("accuracy", _of_labels(lambda tp, fp, tn, fn: (tp + tn, tp + fp + tn + fn)))

GROUP_METRICS: Final[Mapping[str, GroupMetric]] = MappingProxyType(
    {
        f"{name}_{aspect}": GroupMetric(f"{name}_{aspect}", rates, aspect)
        for name, rates in (
            ("demographic_parity", (_SELECTION,)),
            ("equalised_odds", (_TPR, _FPR)),
            ("true_positive_rate", (_TPR,)),
            ("false_positive_rate", (_FPR,)),
            ("false_negative_rate", (_FNR,)),
            ("precision", (_PPV,)),
            ("accuracy", (_ACCURACY,)),
        )
        for aspect in (DIFFERENCE, RATIO)
    }
)
