"""What a policy may say about whom a bias audit counts and how, each key optional."""

from __future__ import annotations

from fractions import Fraction

from audits.domain.criteria import MAX_EXCLUDED_SHARE, MAX_SCORE, MEDIAN
from registry.domain.policy_section import Section

# What the one audit that serves every gate on groups can do in one way only.
COUNTED_ONCE = ("cutoff", "weight", "person", "ll144", "exclude_below", "exclude_because")


def read_scope(section: Section) -> dict[str, object]:
    """Read scores' cutoff, the columns of weights and persons, and Local Law 144's exclusions."""
    values: dict[str, object] = {}
    if section.has("cutoff"):
        bound = Fraction(MAX_SCORE)
        values["cutoff"] = section.word_or_exact("cutoff", MEDIAN, least=-bound, most=bound)
    for column in ("weight", "person"):
        if section.has(column):
            values[column] = section.text(column)
    if section.has("ll144"):
        values["ll144"] = section.flag("ll144", default=False)
    if section.has("exclude_below"):
        values["exclude_below"] = section.exact(
            "exclude_below", least=Fraction(0), most=MAX_EXCLUDED_SHARE
        )
        values["exclude_because"] = section.text("exclude_because")
    return values
