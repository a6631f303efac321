"""Stored measurements: what a gate reads back, whoever wrote it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.domain.bias import BiasCriteria, Counts, MalformedCounts, judge
from audits.domain.measurements import counts_from_json, to_json
from audits.domain.names import UNKNOWN, canonical_group
from tests.unit.audits.counted import MITIGATED, RACE_ALONE, counted, with_labels

SEX = {"Male": (760, 795), "Female": (184, 194), "unknown": (6, 6)}
CRITERIA = BiasCriteria(attributes=("race", "sex"), intersections=())


def measured() -> dict[str, Any]:
    counts = with_labels(counted(race=MITIGATED, sex=SEX))
    return json.loads(json.dumps(to_json(judge(counts, CRITERIA)), allow_nan=False))


def test_measurements_have_the_shape_that_evidence_is_signed_in() -> None:
    found = measured()
    assert set(found) == {"n", "favourable", "attributes"}
    assert (found["n"], found["favourable"]) == (995, 1)
    race = found["attributes"]["race"]
    assert set(race) == {
        "judged", "reference", "verdict", "reasons", "demographic_parity_difference",
        "equalized_odds_difference", "unknown", "groups",
    }  # fmt: skip
    assert (race["judged"], race["reference"], race["verdict"]) == (True, "White", "pass")
    assert race["unknown"] == {"n": 0, "share": 0.0}
    assert found["attributes"]["sex"]["unknown"] == {"n": 6, "share": 6 / 995}
    black = race["groups"]["Black"]
    assert set(black) == {
        "n", "share", "selected", "selection_rate", "rate_low", "rate_high", "impact_ratio",
        "ratio_low", "ratio_high", "p_value", "p_holm", "below", "verdict", "accuracy", "tpr",
        "fpr", "fnr", "ppv", "tp", "fp", "tn", "fn",
    }  # fmt: skip
    assert (black["n"], black["selected"], black["tp"], black["fn"]) == (99, 91, 91, 0)
    assert black["selection_rate"] == 91 / 99
    assert black["impact_ratio"] == (91 * 841) / (99 * 825)


def test_counts_come_back_from_what_was_stored() -> None:
    counts = counts_from_json(measured())
    assert isinstance(counts, Counts)
    assert judge(counts, CRITERIA).conclusion == "pass"
    assert json.loads(json.dumps(to_json(judge(counts, CRITERIA)))) == measured()


def test_rates_and_verdicts_beside_the_counts_are_not_believed() -> None:
    found = measured()
    group = found["attributes"]["race"]["groups"]["Black"]
    group.update(selected=40, tp=40, tn=59, verdict="pass", impact_ratio=1.0, below=False)
    found["attributes"]["race"]["verdict"] = "pass"
    assert judge(counts_from_json(found), CRITERIA).conclusion == "fail"


def test_every_spelling_of_unknown_is_one_group_and_never_the_reference() -> None:
    groups = {"A": (90, 100), "B": (91, 100)}
    stored = to_json(judge(counted(race=groups), RACE_ALONE))
    race = stored["attributes"]["race"]["groups"]  # type: ignore[index]
    for name in ("Unknown", " ", "UNKNOWN", "nan"):
        race[name] = {"n": 1, "selected": 1}
    stored["n"] = 204
    judgement = judge(counts_from_json(stored), RACE_ALONE)
    assert judgement.attributes[0].unknown_n == 4
    assert judgement.attributes[0].reference == "B"


@pytest.mark.parametrize("wrong", [{"n": -3, "selected": 0}, {"n": True, "selected": True}])
def test_an_impossible_count_does_not_vanish_in_a_sum(wrong: dict[str, object]) -> None:
    stored = {
        "n": 200,
        "favourable": 1,
        "attributes": {
            "race": {
                "groups": {
                    "A": {"n": 97, "selected": 90},
                    "B": {"n": 100, "selected": 90},
                    "unknown": {"n": 6, "selected": 0},
                    "Unknown": wrong,
                }
            }
        },
    }
    assert isinstance(counts_from_json(stored), MalformedCounts)
    assert judge(counts_from_json(stored), RACE_ALONE).conclusion == "error"


@pytest.mark.parametrize(
    "measurements",
    [
        None, [], {}, "{}", 3, float("nan"),
        {"n": 10}, {"n": 10, "favourable": 1}, {"n": 10, "favourable": 1, "attributes": {}},
        {"n": 10, "favourable": 1, "attributes": {"race": None}},
        {"n": 10, "favourable": 1, "attributes": {"race": {"groups": []}}},
        {"n": 10, "favourable": 1, "attributes": {"race": {"groups": {"A": None}}}},
        {"n": 10, "favourable": 1, "attributes": {7: {"groups": {"A": {}}}}},
    ],
)  # fmt: skip
def test_what_is_not_a_measurement_is_an_error(measurements: object) -> None:
    judgement = judge(counts_from_json(measurements), RACE_ALONE)
    assert judgement.conclusion == "error"
    assert judgement.reasons
    assert to_json(judgement) == {}


@pytest.mark.parametrize(
    "attributes",
    [
        {"race" * 100: {"groups": {"A": {"n": 10, "selected": 1}}}},
        {"race": {"groups": {"A" * 400: {"n": 10, "selected": 1}}}},
        {"race": {"groups": {f"G{number}": {"n": 1, "selected": 1} for number in range(1001)}}},
    ],
)
def test_measurements_beyond_all_measure_are_an_error_that_is_short(
    attributes: dict[str, object],
) -> None:
    counts = counts_from_json({"n": 10, "favourable": 1, "attributes": attributes})
    judgement = judge(counts, RACE_ALONE)
    assert judgement.conclusion == "error"
    assert "more than" in judgement.reasons[0]
    assert len(judgement.reasons[0]) < 200


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**15), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}),
)  # fmt: skip
PLACES = st.sampled_from(
    [
        ("n",),
        ("favourable",),
        ("attributes",),
        ("attributes", "race"),
        ("attributes", "race", "groups"),
        ("attributes", "race", "groups", "Black"),
        *(
            ("attributes", "race", "groups", "Black", key)
            for key in ("n", "selected", "tp", "fp", "tn", "fn")
        ),
    ]
)


@given(PLACES, st.one_of(LEAVES, st.just("removed")))
def test_damaged_measurements_never_raise_and_never_pass(
    place: tuple[str, ...], value: object
) -> None:
    found = measured()
    damaged = copy.deepcopy(found)
    *path, last = place
    inner: Any = damaged
    for key in path:
        inner = inner[key]
    if value == "removed":
        del inner[last]
    else:
        inner[last] = value
    judgement = judge(counts_from_json(damaged), CRITERIA)
    same = type(inner.get(last)) is int and damaged == found
    # Without one count of the matrix the rest is a fault; the matrix alone may be absent.
    assert judgement.conclusion == ("pass" if same else "error")


@given(st.text(max_size=30))
def test_a_group_has_one_spelling(name: str) -> None:
    once = canonical_group(name)
    assert canonical_group(once) == once
    assert once
    assert canonical_group(f"  {name}\t") == once


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n", "nan", "NaN", "<NA>", "unknown",
                                   "Unknown ", "UN\u200bKNOWN", "\x00"])  # fmt: skip
def test_blanks_are_unknown(blank: str | None) -> None:
    assert canonical_group(blank) == UNKNOWN


@pytest.mark.parametrize("name", ["None", "NA", "N/A", "White", "Zoë", "null"])
def test_names_that_may_be_answers_are_kept(name: str) -> None:
    assert canonical_group(name) == name
