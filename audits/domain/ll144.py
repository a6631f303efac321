"""The tables that New York City's Local Law 144 asks to publish, from a judgement that reads so.

Source: 6 RCNY 5-301 to 5-303: the number of applicants, the selection or scoring rate and the
impact ratio of every category, by sex, by race/ethnicity and by both together; how many people are
in an unknown category; the number and rate of a category that was excluded, and why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Category:
    """One row of a published table; a rate or ratio that it does not have is None."""

    name: str
    applicants: int
    selected: int
    rate: float | None
    impact_ratio: float | None
    is_excluded: bool


@dataclass(frozen=True, slots=True)
class Table:
    """The categories of one attribute or intersection, and how many people are in none."""

    name: str
    categories: tuple[Category, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class Publication:
    """The tables as they are published."""

    is_scored: bool
    tables: tuple[Table, ...]
    excluded_because: str

    @property
    def selected_words(self) -> str:
        """Return what the people who count are called: selected, or scored above the median."""
        return "Scored above the median" if self.is_scored else "Selected"

    @property
    def rate_words(self) -> str:
        """Return what their share is called."""
        return "Scoring rate" if self.is_scored else "Selection rate"


def read_publication(measurements: object) -> Publication | None:
    """Read the tables back from stored measurements; None where there are none to show.

    Never raises: a table or category that is odd is left out.
    """
    published = measurements.get("ll144") if isinstance(measurements, Mapping) else None
    tables = published.get("tables") if isinstance(published, Mapping) else None
    if not isinstance(published, Mapping) or not isinstance(tables, list):
        return None
    rate = "scoring_rate" if published.get("rate") == "scoring_rate" else "selection_rate"
    read = tuple(
        Table(
            name=str(table.get("name", "")),
            categories=tuple(
                found for row in _rows(table) if (found := _read_category(row, rate)) is not None
            ),
            unknown=_count(table.get("unknown")) or 0,
        )
        for table in tables
        if isinstance(table, Mapping)
    )
    because = published.get("excluded_because")
    return Publication(
        is_scored=rate == "scoring_rate",
        tables=read,
        excluded_because=because if isinstance(because, str) else "",
    )


def _rows(table: Mapping[str, object]) -> list[Mapping[str, object]]:
    rows = table.get("categories")
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _read_category(row: Mapping[str, object], rate: str) -> Category | None:
    applicants = _count(row.get("applicants"))
    selected = _count(row.get("scored_above" if rate == "scoring_rate" else "selected"))
    if applicants is None or selected is None:
        return None
    return Category(
        name=str(row.get("category", "")),
        applicants=applicants,
        selected=selected,
        rate=_number(row.get(rate)),
        impact_ratio=_number(row.get("impact_ratio")),
        is_excluded=row.get("excluded") is True,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]
