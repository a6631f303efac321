"""The bias rule on known cases and at each of its edges."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import pytest
from scipy import stats

from audits.domain.bias import (
    AttributeCounts,
    BiasCriteria,
    BiasJudgement,
    Confusion,
    Counts,
    GroupCounts,
    MalformedCounts,
    impact_ratios,
    judge,
)
from tests.unit.audits.counted import ADVERSE, DEMONSTRATED, MITIGATED, RACE_ALONE, counted


def race(judgement: BiasJudgement) -> dict[str, str | None]:
    attribute = judgement.attribute("race")
    assert attribute is not None
    return {group.name: group.verdict for group in attribute.groups}


def ratios(judgement: BiasJudgement) -> dict[str, float | None]:
    attribute = judgement.attribute("race")
    assert attribute is not None
    return {group.name: group.impact_ratio for group in attribute.groups}


# ------------------------------------------------------------------------------ known answers


def test_eeoc_percentages_have_ratios_and_no_verdict() -> None:
    rates = {"White": 60, "American Indian": 45, "Hispanic": 48, "Black": 51}
    found = impact_ratios({name: Fraction(rate, 100) for name, rate in rates.items()})
    assert found["American Indian"] == Fraction(3, 4)
    assert found["Hispanic"] == Fraction(4, 5)
    assert found["Black"] == Fraction(17, 20)
    assert impact_ratios({"A": Fraction(0)}) == {"A": None}


def test_ricci_captain_is_insufficient() -> None:
    judgement = judge(
        counted(race={"White": (16, 25), "Black": (3, 8), "Hispanic": (3, 8)}), RACE_ALONE
    )
    assert judgement.conclusion == "insufficient"
    assert ratios(judgement)["Black"] == pytest.approx(0.5859, abs=5e-5)
    attribute = judgement.attribute("race")
    assert attribute is not None
    p_values = {group.name: group.p_value for group in attribute.groups}
    assert p_values["Black"] == p_values["Hispanic"] == pytest.approx(0.238, abs=5e-4)


def test_ricci_lieutenant_fails_on_the_hispanic_group() -> None:
    judgement = judge(
        counted(race={"White": (25, 43), "Black": (6, 19), "Hispanic": (3, 15)}), RACE_ALONE
    )
    assert judgement.conclusion == "fail"
    assert race(judgement) == {"White": None, "Black": "insufficient", "Hispanic": "fail"}
    assert ratios(judgement)["Black"] == pytest.approx(0.5432, abs=5e-5)
    assert ratios(judgement)["Hispanic"] == pytest.approx(0.344, abs=5e-4)
    attribute = judgement.attribute("race")
    assert attribute is not None
    adjusted = {group.name: group.p_holm for group in attribute.groups}
    assert adjusted["Hispanic"] == pytest.approx(0.032, abs=5e-4)
    assert adjusted["Black"] == pytest.approx(0.097, abs=5e-4)
    # The sentence that decides is the first one read.
    assert judgement.reasons[0].startswith("race: Hispanic 20.0% (3 of 15) against White 58.1%")


def test_boston_approvals_fail_on_the_black_group_alone() -> None:
    judgement = judge(
        counted(race={"White": (1527, 1681), "Black": (133, 197), "Hispanic": (85, 111)}),
        RACE_ALONE,
    )
    assert ratios(judgement)["Black"] == pytest.approx(0.7432, abs=5e-5)
    assert ratios(judgement)["Hispanic"] == pytest.approx(0.8430, abs=5e-5)
    assert race(judgement) == {"White": None, "Black": "fail", "Hispanic": "pass"}


def test_the_first_example_model_fails_and_the_mitigated_one_demonstrates() -> None:
    assert judge(counted(race=ADVERSE), DEMONSTRATED).conclusion == "fail"
    mitigated = judge(counted(race=MITIGATED), DEMONSTRATED)
    assert mitigated.conclusion == "pass"
    assert mitigated.attributes[0].lowest_ratio == pytest.approx(0.908, abs=5e-4)


# ------------------------------------------------------------------------------ the edges


def test_exactly_four_fifths_is_not_below() -> None:
    # (2/3) / (5/6) is 0.7999… in floats.
    judgement = judge(counted(race={"A": (500, 600), "B": (400, 600)}), RACE_ALONE)
    assert race(judgement) == {"A": None, "B": "pass"}
    one_fewer = judge(counted(race={"A": (500, 600), "B": (399, 600)}), RACE_ALONE)
    assert race(one_fewer) == {"A": None, "B": "fail"}
    # A reason never rounds a ratio onto the bound that it is under.
    assert "impact ratio 0.798 is below 0.80" in one_fewer.reasons[0]
    barely = judge(counted(race={"A": (50_000, 60_000), "B": (39_999, 60_000)}), RACE_ALONE)
    assert "impact ratio 0.79998 is below 0.80" in barely.reasons[0]


def test_a_significant_gap_that_is_not_below_passes_and_is_reported() -> None:
    counts = counted(race={"A": (950, 1000), "B": (850, 1000)})
    judgement = judge(counts, RACE_ALONE)
    assert judgement.conclusion == "pass"
    assert any("the gap is significant" in reason for reason in judgement.reasons)
    strict = judge(counts, replace(RACE_ALONE, fail_on_significant_gap=True))
    assert strict.conclusion == "fail"


def test_below_and_significant_fails_however_few_people() -> None:
    judgement = judge(counted(race={"A": (500, 500), "B": (0, 4)}), RACE_ALONE)
    assert judgement.conclusion == "fail"


def test_below_without_significance_is_insufficient() -> None:
    judgement = judge(counted(race={"A": (30, 40), "B": (22, 40)}), RACE_ALONE)
    assert judgement.conclusion == "insufficient"


@pytest.mark.parametrize(("people", "conclusion"), [(29, "insufficient"), (30, "pass")])
def test_a_group_needs_thirty_people(people: int, conclusion: str) -> None:
    counts = counted(race={"A": (500, 500), "B": (people, people)})
    assert judge(counts, RACE_ALONE).conclusion == conclusion


def test_a_reference_needs_thirty_people_even_where_the_policy_fixes_it() -> None:
    counts = counted(race={"A": (20, 29), "B": (350, 500)})
    fixed = replace(RACE_ALONE, references=(("race", "A"),))
    judgement = judge(counts, fixed)
    assert judgement.attributes[0].reference == "A"
    assert judgement.conclusion == "insufficient"


def test_the_reference_is_the_highest_rate_among_groups_that_are_large_enough() -> None:
    # C has the highest rate: 31 people are enough, 31 of 1,631 are under 2%.
    counts = counted(race={"A": (720, 800), "B": (700, 800), "C": (31, 31)})
    judgement = judge(counts, RACE_ALONE)
    assert judgement.attributes[0].reference == "A"
    assert (
        judge(counts, replace(RACE_ALONE, min_share=Fraction(1, 100))).attributes[0].reference
        == "C"
    )


def test_the_share_of_a_reference_may_be_exactly_two_per_cent() -> None:
    counts = counted(race={"A": (1800, 1960), "B": (40, 40)})
    assert judge(counts, RACE_ALONE).attributes[0].reference == "B"


def test_nobody_large_enough_to_be_the_reference_is_insufficient() -> None:
    groups = {f"G{number:02}": (30, 30) for number in range(60)}
    judgement = judge(counted(race=groups), RACE_ALONE)
    assert judgement.conclusion == "insufficient"
    assert "to be the reference" in judgement.reasons[0]


def test_a_reference_without_anybody_selected_is_insufficient_and_has_no_ratio() -> None:
    judgement = judge(counted(race={"A": (0, 100), "B": (0, 100)}), RACE_ALONE)
    assert judgement.conclusion == "insufficient"
    assert set(ratios(judgement).values()) == {None}


def test_a_fixed_reference_that_nobody_belongs_to_is_an_error() -> None:
    judgement = judge(
        counted(race={"A": (50, 100), "B": (50, 100)}),
        replace(RACE_ALONE, references=(("race", "White"),)),
    )
    assert judgement.conclusion == "error"


@pytest.mark.parametrize(
    "groups",
    [{"A": (90, 100)}, {"unknown": (90, 100)}, {"A": (90, 100), "B": (0, 0)}],
)
def test_one_group_alone_cannot_pass(groups: dict[str, tuple[int, int]]) -> None:
    assert judge(counted(race=groups), RACE_ALONE).conclusion == "insufficient"


def test_a_group_without_people_changes_nothing() -> None:
    with_empty = judge(counted(race={**MITIGATED, "Nobody": (0, 0)}), DEMONSTRATED)
    without = judge(counted(race=MITIGATED), DEMONSTRATED)
    assert with_empty.conclusion == without.conclusion == "pass"
    assert with_empty.reasons == without.reasons


# ------------------------------------------------------------------------------ the standards


def test_demonstrated_asks_for_the_lower_end_too() -> None:
    counts = counted(race={"A": (90, 100), "B": (76, 100)})
    assert judge(counts, RACE_ALONE).conclusion == "pass"
    judgement = judge(counts, DEMONSTRATED)
    assert judgement.conclusion == "insufficient"
    assert "does not reach 0.80" in judgement.reasons[0]


# ------------------------------------------------------------------------------ unknown people


def test_unknown_is_shown_and_never_the_reference_nor_judged() -> None:
    judgement = judge(
        counted(race={"A": (900, 1000), "B": (890, 1000), "unknown": (40, 40)}), RACE_ALONE
    )
    attribute = judgement.attribute("race")
    assert attribute is not None
    assert attribute.reference == "A"
    assert (attribute.unknown_n, attribute.groups[-1].name) == (40, "unknown")
    assert attribute.groups[-1].verdict is None
    assert attribute.groups[-1].impact_ratio is None


@pytest.mark.parametrize(("unknown", "conclusion"), [(100, "pass"), (101, "insufficient")])
def test_more_than_five_per_cent_unknown_is_insufficient(unknown: int, conclusion: str) -> None:
    known = 1900
    counts = counted(
        race={"A": (950, 950), "B": (known - 950, known - 950), "unknown": (unknown, unknown)}
    )
    assert judge(counts, RACE_ALONE).conclusion == conclusion


def test_unknown_people_who_could_flip_a_pass_make_it_insufficient() -> None:
    known = {"A": (900, 1000), "B": (75, 100)}
    assert judge(counted(race=known), RACE_ALONE).conclusion == "pass"
    # All 20 refused people in B: 75/120 against 900/1000 is 0.69.
    judgement = judge(counted(race={**known, "unknown": (0, 20)}), RACE_ALONE)
    assert judgement.conclusion == "insufficient"
    assert "20 people in no known group could at worst" in judgement.reasons[0]
    assert "0.694" in judgement.reasons[0]
    # The same people, all selected, cannot: 75/100 against 920/1020 stays above.
    assert judge(counted(race={**known, "unknown": (20, 20)}), RACE_ALONE).conclusion == "pass"


def test_the_worst_case_of_the_demonstrated_standard_is_its_lower_end() -> None:
    known = {"A": (9000, 10_000), "B": (765, 1000)}
    assert judge(counted(race=known), DEMONSTRATED).conclusion == "pass"
    counts = counted(race={**known, "unknown": (0, 40)})
    assert judge(counts, RACE_ALONE).conclusion == "pass"
    assert judge(counts, DEMONSTRATED).conclusion == "insufficient"


def test_a_failure_stays_one_whatever_the_unknown_people_are() -> None:
    counts = counted(race={"A": (900, 1000), "B": (500, 1000), "unknown": (400, 400)})
    judgement = judge(counts, RACE_ALONE)
    assert judgement.conclusion == "fail"
    assert any("in no known group" in reason for reason in judgement.reasons)


# ------------------------------------------------------------------------------ which test


def test_fishers_test_is_used_up_to_ten_thousand_people_of_a_comparison() -> None:
    counts = counted(race={"A": (4000, 5000), "B": (3900, 5000)})
    exact = judge(counts, RACE_ALONE).attributes[0].groups[1].p_value
    score = judge(counts, replace(RACE_ALONE, exact_up_to=9_999)).attributes[0].groups[1].p_value
    table = [[4000, 1000], [3900, 1100]]
    assert exact == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)
    assert score == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)


def test_holm_adjusts_over_one_attribute_or_over_the_whole_audit() -> None:
    criteria = BiasCriteria(attributes=("race", "sex"), intersections=())
    counts = counted(race={"A": (70, 100), "B": (62, 100)}, sex={"M": (72, 100), "F": (60, 100)})
    alone = judge(counts, criteria)
    together = judge(counts, replace(criteria, family="audit"))
    sex = [judgement.attribute("sex") for judgement in (alone, together)]
    p_alone, p_together = (attribute.groups[0].p_holm for attribute in sex if attribute)
    assert p_alone is not None
    assert p_together == pytest.approx(2 * p_alone)


# ------------------------------------------------------------------------------ attributes


def test_intersections_are_reported_and_gated_only_by_policy() -> None:
    counts = counted(
        race={"A": (180, 200), "B": (178, 200)},
        sex={"M": (180, 200), "F": (178, 200)},
        **{
            "race × sex": {
                "A × M": (100, 100),
                "A × F": (80, 100),
                "B × M": (80, 100),
                "B × F": (50, 100),
            }
        },
    )
    reported = judge(counts, BiasCriteria())
    assert reported.conclusion == "pass"
    pair = reported.attribute("race × sex")
    assert pair is not None
    assert (pair.judged, pair.verdict) == (False, "fail")
    assert judge(counts, BiasCriteria(gate_intersections=True)).conclusion == "fail"


def test_the_worst_attribute_decides() -> None:
    criteria = BiasCriteria(attributes=("race", "sex"), intersections=())
    good, bad = {"A": (90, 100), "B": (90, 100)}, {"M": (90, 100), "F": (40, 100)}
    assert judge(counted(race=good, sex=good), criteria).conclusion == "pass"
    assert judge(counted(race=good, sex=bad), criteria).conclusion == "fail"


def test_a_judged_attribute_that_was_not_measured_is_an_error() -> None:
    judgement = judge(counted(sex={"M": (90, 100), "F": (90, 100)}), RACE_ALONE)
    assert judgement.conclusion == "error"
    assert judgement.reasons == ("race is judged but was not measured",)


def test_counts_of_another_outcome_are_an_error() -> None:
    counts = counted(race=MITIGATED)
    assert judge(counts, replace(RACE_ALONE, favourable=0)).conclusion == "error"


@pytest.mark.parametrize(
    "counts",
    [
        MalformedCounts(()),
        MalformedCounts(("unreadable",)),
        Counts(0, 1, ()),
        Counts(100, 1, ()),
        Counts(100, 2, (AttributeCounts("race", (GroupCounts("A", 100, 50),)),)),
        Counts(99, 1, (AttributeCounts("race", (GroupCounts("A", 100, 50),)),)),
        Counts(100, 1, (AttributeCounts("race", (GroupCounts("A", 100, 101),)),)),
        Counts(
            100, 1, (AttributeCounts("race", (GroupCounts("A", 101, 50), GroupCounts("B", -1, 0))),)
        ),
        Counts(100, 1, (AttributeCounts("race", (GroupCounts("Unknown", 100, 50),)),)),
        Counts(
            100, 1, (AttributeCounts("race", (GroupCounts("A", 50, 50), GroupCounts("A", 50, 50))),)
        ),
        Counts(
            100, 1, (AttributeCounts("race", (GroupCounts("A", 100, 50, Confusion(1, 2, 3, 4)),)),)
        ),
        Counts(100, 1, (AttributeCounts("race", (GroupCounts("A", float("nan"), 50),)),)),  # type: ignore[arg-type]
        Counts(True, 1, (AttributeCounts("race", (GroupCounts("A", True, True),)),)),
        Counts(10**13, 1, (AttributeCounts("race", (GroupCounts("A", 10**13, 50),)),)),
    ],
)
def test_impossible_counts_are_an_error_with_a_reason(counts: Counts | MalformedCounts) -> None:
    judgement = judge(counts, RACE_ALONE)
    assert judgement.conclusion == "error"
    assert judgement.reasons


def test_judging_loads_nothing_heavy() -> None:
    # A gate judges in the web process.
    code = (
        "import sys, audits.domain.bias, audits.domain.measurements, audits.domain.chart; "
        "print([m for m in ('numpy', 'scipy', 'pandas', 'duckdb', 'fairlearn', 'django') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
