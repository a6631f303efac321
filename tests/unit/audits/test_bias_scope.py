"""What the rule says of scores, weights, persons with several rows, and Local Law 144."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from audits.domain.bias import BiasCriteria, Counts, judge
from audits.domain.counts import Weights
from audits.domain.measurements import counts_from_json, to_json
from tests.unit.audits.counted import MITIGATED, RACE_ALONE, counted

LL144 = replace(RACE_ALONE, ll144=True)
EXCLUDING = replace(
    LL144, exclude_below=Fraction(1, 50), exclude_because="Under 2% of the applicants."
)
FAIR = {"A": (50, 100), "B": (48, 100)}


def weighted(counts: Counts, weights: dict[str, tuple[float, float]]) -> Counts:
    [attribute] = counts.attributes
    groups = tuple(
        replace(group, weights=Weights(weights[group.name][1], weights[group.name][0]))
        for group in attribute.groups
    )
    return replace(counts, attributes=(replace(attribute, groups=groups),))


def stored(counts: Counts, criteria: BiasCriteria) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(to_json(judge(counts, criteria))))
    return found


def test_scores_are_judged_by_the_cutoff_that_they_were_cut_at_and_no_other() -> None:
    by_median = replace(counted(race=FAIR), cutoff="median")
    asked = replace(RACE_ALONE, cutoff="median")
    assert judge(by_median, asked).conclusion == "pass"
    for counts, criteria in (
        (by_median, RACE_ALONE),
        (by_median, replace(RACE_ALONE, cutoff=Fraction(1, 2))),
        (counted(race=FAIR), asked),
    ):
        found = judge(counts, criteria)
        assert found.conclusion == "error"
        assert "the criteria ask for" in found.reasons[0]


def test_a_cutoff_is_named_as_it_is_usually_written() -> None:
    assert replace(RACE_ALONE, cutoff=Fraction(1, 2)).cutoff_text == "0.5"
    assert replace(RACE_ALONE, cutoff=Fraction(1, 3)).cutoff_text == "1/3"


def test_weighted_rates_have_ratios_and_no_verdict_but_insufficient() -> None:
    counts = weighted(counted(race=FAIR), {"A": (10.0, 100.0), "B": (90.0, 100.0)})
    criteria = replace(RACE_ALONE, weight="w")
    [race] = judge(counts, criteria).attributes
    assert race.verdict == "insufficient"
    assert race.reference == "B"
    assert [group.impact_ratio for group in race.groups] == [1 / 9, 1.0]
    assert {group.verdict for group in race.groups} == {None}
    assert counts_from_json(stored(counts, criteria)) == counts
    assert judge(counts, RACE_ALONE).conclusion == "error"
    assert judge(counted(race=FAIR), criteria).conclusion == "error"


@pytest.mark.parametrize(
    "weight",
    [None, float("nan"), float("inf"), -1.0, 0.0, 1e300, True, "9", 10],
)
def test_weights_that_cannot_be_are_an_error(weight: object) -> None:
    counts = weighted(counted(race=FAIR), {"A": (40.0, 100.0), "B": (40.0, 100.0)})
    criteria = replace(RACE_ALONE, weight="w")
    measurements = stored(counts, criteria)
    measurements["attributes"]["race"]["groups"]["A"]["weight"] = weight
    assert judge(counts_from_json(measurements), criteria).conclusion == "error"


def test_weights_of_some_groups_alone_are_an_error() -> None:
    counts = weighted(counted(race=FAIR), {"A": (40.0, 100.0), "B": (40.0, 100.0)})
    criteria = replace(RACE_ALONE, weight="w")
    measurements = stored(counts, criteria)
    for key in ("weight", "weight_selected"):
        del measurements["attributes"]["race"]["groups"]["A"][key]
    assert judge(counts_from_json(measurements), criteria).conclusion == "error"


@pytest.mark.parametrize(
    ("repeated", "conclusion"), [(None, "error"), (0, "pass"), (1, "insufficient"), (-1, "error")]
)
def test_several_rows_of_one_person_are_never_a_pass(repeated: int | None, conclusion: str) -> None:
    counts = replace(counted(race=FAIR), repeated=repeated)
    assert judge(counts, replace(RACE_ALONE, person="who")).conclusion == conclusion


def test_rows_that_are_known_to_repeat_count_though_nobody_asked() -> None:
    assert judge(replace(counted(race=FAIR), repeated=3), RACE_ALONE).conclusion == "insufficient"


def test_a_failure_with_repeated_rows_stays_one() -> None:
    unfair = {"A": (90, 100), "B": (30, 100)}
    assert judge(replace(counted(race=unfair), repeated=3), RACE_ALONE).conclusion == "fail"


# ------------------------------------------------------------------------------ Local Law 144

# C has the highest rate, and 1.5% of the people.
SMALL = {"A": (50, 100), "B": (45, 97), "C": (3, 3)}


def test_the_reference_is_the_highest_category_however_small() -> None:
    assert judge(counted(race=SMALL), RACE_ALONE).attributes[0].reference == "A"
    assert judge(counted(race=SMALL), LL144).attributes[0].reference == "C"


def test_an_excluded_category_is_shown_and_compared_with_nobody() -> None:
    found = judge(counted(race=SMALL), EXCLUDING)
    [race] = found.attributes
    assert found.conclusion == "pass"
    assert race.reference == "A"
    [small] = [group for group in race.groups if group.name == "C"]
    assert small.excluded
    assert (small.selection_rate, small.impact_ratio, small.verdict) == (1.0, None, None)
    assert stored(counted(race=SMALL), EXCLUDING)["attributes"]["race"]["groups"]["C"]["excluded"]


def test_exactly_two_per_cent_is_not_excluded() -> None:
    people = {"A": (50, 100), "B": (45, 96), "C": (4, 4)}
    assert judge(counted(race=people), EXCLUDING).attributes[0].reference == "C"


def test_unknown_people_exclude_nobody_and_may_bring_an_excluded_category_back() -> None:
    # C fails; more unknown people make it a smaller part of everybody, not of the known.
    failing = {"A": (400, 500), "B": (390, 480), "C": (0, 20)}
    assert judge(counted(race=failing), EXCLUDING).conclusion == "fail"
    assert judge(counted(race={**failing, "unknown": (20, 20)}), EXCLUDING).conclusion == "fail"
    # Excluded it is no matter; with everybody unknown in it, it is 2% and below.
    small = {"A": (400, 500), "B": (390, 480), "C": (0, 15), "unknown": (0, 6)}
    found = judge(counted(race=small), EXCLUDING)
    assert found.conclusion == "insufficient"
    assert "could at worst bring the impact ratio of C" in found.reasons[0]


def test_the_tables_are_as_the_rule_publishes_them() -> None:
    counts = counted(race={**SMALL, "unknown": (1, 2)})
    published = stored(counts, EXCLUDING)["ll144"]
    assert published == {
        "rate": "selection_rate",
        "excluded_below": 0.02,
        "excluded_because": "Under 2% of the applicants.",
        "tables": [
            {
                "name": "race",
                "unknown": 2,
                "categories": [
                    _row("A", 100, 50, 0.5, 1.0),
                    _row("B", 97, 45, 45 / 97, (45 * 100) / (97 * 50)),
                    _row("C", 3, 3, 1.0, None),
                ],
            }
        ],
    }
    by_median = replace(counts, cutoff="median")
    scoring = stored(by_median, replace(EXCLUDING, cutoff="median"))["ll144"]
    assert scoring["rate"] == "scoring_rate"
    assert scoring["tables"][0]["categories"][0]["scored_above"] == 50
    assert "ll144" not in stored(counts, RACE_ALONE)


def _row(
    name: str, applicants: int, selected: int, rate: float, ratio: float | None
) -> dict[str, object]:
    return {
        "category": name,
        "applicants": applicants,
        "selected": selected,
        "selection_rate": rate,
        "impact_ratio": ratio,
        "excluded": ratio is None,
    }


def test_what_was_recorded_before_is_judged_as_before() -> None:
    measurements = stored(counted(race=MITIGATED), RACE_ALONE)
    assert not {"cutoff", "repeated", "ll144"} & measurements.keys()
    assert not {"weight", "excluded"} & measurements["attributes"]["race"]["groups"]["Black"].keys()
    assert not {"cutoff", "weight", "person", "ll144"} & RACE_ALONE.to_mapping().keys()
