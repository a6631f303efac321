"""The tables that New York City's Local Law 144 asks to publish, from a judgement that reads so.

Source: 6 RCNY 5-301 to 5-303: the number of applicants, the selection or scoring rate and the
impact ratio of every category, by sex, by race/ethnicity and by both together; how many people are
in an unknown category; the number and rate of a category that was excluded, and why.
"""

from __future__ import annotations

from audits.domain.judgement import AttributeJudgement, BiasJudgement, GroupJudgement
from audits.domain.names import UNKNOWN


def publication(judgement: BiasJudgement) -> dict[str, object]:
    """Return the tables as plain JSON, one for each attribute and intersection.

    A category's ratio is to the highest rate of those that are not excluded; None where it has
    none.
    """
    counts, criteria = judgement.counts, judgement.criteria
    rate = "scoring_rate" if counts is not None and counts.cutoff else "selection_rate"
    published: dict[str, object] = {
        "rate": rate,
        "tables": [_table(attribute, rate) for attribute in judgement.attributes],
    }
    if criteria.exclude_below:
        published["excluded_below"] = float(criteria.exclude_below)
        published["excluded_because"] = criteria.exclude_because
    return published


def _table(attribute: AttributeJudgement, rate: str) -> dict[str, object]:
    return {
        "name": attribute.name,
        "unknown": attribute.unknown_n,
        "categories": [
            _category(group, rate)
            for group in attribute.groups
            if group.name != UNKNOWN and group.counts.n
        ],
    }


def _category(group: GroupJudgement, rate: str) -> dict[str, object]:
    selected = "scored_above" if rate == "scoring_rate" else "selected"
    return {
        "category": group.name,
        "applicants": group.counts.n,
        selected: group.counts.selected,
        rate: group.selection_rate,
        "impact_ratio": group.impact_ratio,
        "excluded": group.excluded,
    }
