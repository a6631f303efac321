"""docs/bias-audits.md says what the rule says, and its example is computed by it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import get_args

import pytest

from audits.domain.bias import Conclusion, judge
from audits.domain.criteria import BiasCriteria
from audits.domain.wording import apart, p_text
from audits.predictions.cells import PredictionColumns
from audits.predictions.reading import MAX_GROUP_NAME, MAX_GROUPS, MEMORY_LIMIT
from registry.domain.policy_gates import BiasGate
from tests.unit.audits.counted import counted
from tests.unit.docs.pages import DOCS, read, section, table_rows
from tests.unit.registry.samples import credit_decision

PAGE = read(DOCS / "bias-audits.md")
EXAMPLE = section(PAGE, "## An example")
# Two tables of three groups.
TABLES = [table_rows(part) for part in EXAMPLE.split("Version 2 was fitted")]


def race_criteria() -> BiasCriteria:
    [gate] = [
        gate
        for gate in credit_decision().gates
        if isinstance(gate, BiasGate) and gate.attribute == "race"
    ]
    return gate.criteria


@pytest.mark.parametrize("rows", TABLES, ids=["version 1", "version 2"])
def test_the_example_is_what_the_shipped_policy_gives(rows: list[tuple[str, ...]]) -> None:
    people = {row[0]: (int(row[1]), int(row[2])) for row in rows}
    judged = judge(counted(race=people), race_criteria()).attribute("race")
    assert judged is not None
    bound = race_criteria().impact_ratio
    computed = []
    for group in judged.groups:
        assert group.selection_rate is not None
        assert group.impact_ratio is not None
        is_reference = group.name == judged.reference
        adjusted = "" if group.p_holm is None else p_text(group.p_holm)
        computed.append(
            (
                group.name,
                str(group.counts.selected),
                str(group.counts.n),
                f"{group.selection_rate:.1%}",
                f"{group.impact_ratio:.3f}",
                apart(group.ratio_interval.low, bound) if group.ratio_interval else "",
                re.sub(r"adjusted p (= )?", "", adjusted),
                "reference" if is_reference else group.verdict,
            )
        )
    assert sorted(computed) == sorted(rows)


def test_the_products_of_the_example_are_right() -> None:
    found = re.findall(
        r"5 × (\d+) × (\d+) = ([\d,]+) is (not )?less than 4 × (\d+) × (\d+) = ([\d,]+\d)",
        " ".join(EXAMPLE.split()),
    )
    assert len(found) == 2
    for k, reference_n, left, negated, reference_k, n, right in found:
        one, other = 5 * int(k) * int(reference_n), 4 * int(reference_k) * int(n)
        assert (f"{one:,}", f"{other:,}", one < other) == (left, right, not negated)


def test_the_numbers_of_the_rule_are_the_shipped_ones() -> None:
    rule, criteria = section(PAGE, "## The bias rule"), race_criteria()
    assert criteria.impact_ratio == Fraction(4, 5)  # "four fifths", "5 × k × N < 4 × K × n"
    for words in (
        f"at least {criteria.min_group} people",
        f"{float(criteria.min_share):.0%} of the people",
        f"under {float(criteria.significance)}",
        f"more than {float(criteria.max_unknown_share):.0%} of all people",
        f"{float(criteria.confidence):.0%} interval is under {float(criteria.impact_ratio):.2f}",
        f"`{criteria.standard}`",
    ):
        assert words in " ".join(rule.split())
    for verdict in get_args(Conclusion):
        assert f"| `{verdict}` |" in rule
    assert f"above {criteria.exact_up_to:,}" in PAGE


def test_the_columns_and_limits_of_the_file_are_the_real_ones() -> None:
    page = section(PAGE, "## The predictions file")
    columns = PredictionColumns(groups=race_criteria().columns)
    for name in (columns.row_id, columns.label, columns.prediction, "race", "sex"):
        assert f"`{name}`" in page
    assert f"more than {MAX_GROUPS} groups" in page
    assert f"more than {MAX_GROUP_NAME} characters" in page
    assert MEMORY_LIMIT == "1GB"
    assert "one gigabyte" in " ".join(page.split())
