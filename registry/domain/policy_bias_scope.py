"""What a policy may say about whom a bias audit counts and how, each key optional."""

from __future__ import annotations

from fractions import Fraction

from audits.domain.criteria import MAX_EXCLUDED_SHARE, MAX_SCORE, MEDIAN
from registry.domain.policy_section import Section

# What the one audit that serves every gate on groups can do in one way only.
COUNTED_ONCE = ("cutoff", "weight", "person", "ll144", "exclude_below", "exclude_because")


def read_scope(section: Section) -> dict[str, object]:
    """Read scores' cutoff, the columns of weights and persons, and Local Law 144's exclusions."""
    values = read_cutoff(section)
    for column in ("weight", "person"):
        if section.has(column):
            values[column] = section.text(column)
    if section.has("ll144"):
        values["ll144"] = section.flag("ll144", default=False)
    return values | read_exclusion(section)


def read_cutoff(section: Section) -> dict[str, object]:
    """Read how scores become decisions; empty where decisions are audited."""
    if not section.has("cutoff"):
        return {}
    bound = Fraction(MAX_SCORE)
    return {"cutoff": section.word_or_exact("cutoff", MEDIAN, least=-bound, most=bound)}


def read_exclusion(section: Section) -> dict[str, object]:
    """Read under which share a category is excluded, and why; empty where none is."""
    if not section.has("exclude_below"):
        return {}
    return {
        "exclude_below": section.exact("exclude_below", least=Fraction(0), most=MAX_EXCLUDED_SHARE),
        "exclude_because": section.text("exclude_because"),
    }
