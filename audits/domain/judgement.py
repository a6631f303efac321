"""What a bias judgement says: values only, each with the numbers that it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audits.domain.counts import Counts, GroupCounts
from audits.domain.criteria import BiasCriteria
from audits.domain.intervals import Interval

Conclusion = Literal["pass", "fail", "insufficient", "error"]
PRECEDENCE: tuple[Conclusion, ...] = ("error", "fail", "insufficient", "pass")


def worst(conclusions: tuple[Conclusion, ...]) -> Conclusion:
    """Return the first of error, fail, insufficient, pass among the conclusions.

    None at all is an error: nothing was judged, and that is no pass.
    """
    return min(conclusions, key=PRECEDENCE.index, default="error")


@dataclass(frozen=True, slots=True)
class GroupJudgement:
    """One group against its reference.

    Whatever has no value (0/0, no reference) is None, never 0 and never NaN. `verdict` is None for
    the reference itself and for the unknown group, which are not judged.

    Attributes:
        share: of all people, unknown ones included.
        below: the rate is under the bound's share of the reference's, in exact integers.
        excluded: too small by the criteria, and therefore compared with nobody.
        p_value: two-sided, of this comparison alone; `p_holm` adjusted over the family.
    """

    counts: GroupCounts
    share: float
    selection_rate: float | None
    rate_interval: Interval | None
    impact_ratio: float | None
    ratio_interval: Interval | None
    p_value: float | None
    p_holm: float | None
    below: bool
    verdict: Conclusion | None
    reason: str | None
    excluded: bool = False

    @property
    def name(self) -> str:
        """Return the group's name."""
        return self.counts.name


@dataclass(frozen=True, slots=True)
class AttributeJudgement:
    """One attribute's groups, in order of name, `unknown` last.

    `judged` is False where the attribute is only reported; its verdict then counts for nothing.
    `reasons` are sentences; a significant gap that is not below is among them whatever the verdict.
    """

    name: str
    judged: bool
    reference: str | None
    verdict: Conclusion
    reasons: tuple[str, ...]
    unknown_n: int
    unknown_share: float
    groups: tuple[GroupJudgement, ...]

    @property
    def lowest(self) -> GroupJudgement | None:
        """Return the group with the lowest impact ratio, the reference and unknown left out."""
        compared = [
            group
            for group in self.groups
            if group.impact_ratio is not None and group.verdict is not None
        ]
        return min(compared, key=lambda group: group.impact_ratio or 0.0, default=None)

    @property
    def lowest_ratio(self) -> float | None:
        """Return the lowest impact ratio, None where no group could be compared."""
        lowest = self.lowest
        return None if lowest is None else lowest.impact_ratio


@dataclass(frozen=True, slots=True)
class BiasJudgement:
    """The conclusion over all judged attributes, and what it was reached from.

    `counts` is None where the measurements could not be read.
    """

    conclusion: Conclusion
    reasons: tuple[str, ...]
    attributes: tuple[AttributeJudgement, ...]
    criteria: BiasCriteria
    counts: Counts | None

    @property
    def passed(self) -> bool:
        """Say whether every judged attribute passed."""
        return self.conclusion == "pass"

    def attribute(self, name: str) -> AttributeJudgement | None:
        """Return the judgement of one attribute, None where it was not counted."""
        return next((found for found in self.attributes if found.name == name), None)
