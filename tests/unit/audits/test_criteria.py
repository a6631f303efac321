from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.domain.criteria import BiasCriteria, CriteriaError

SHARES = st.fractions(Fraction(1, 1000), Fraction(99, 100), max_denominator=10_000)


@given(
    st.builds(
        BiasCriteria,
        impact_ratio=SHARES,
        significance=SHARES,
        min_share=SHARES,
        max_unknown_share=SHARES,
        confidence=SHARES,
        references=st.sampled_from([(), (("race", "White"),), (("race", "A"), ("sex", "B"))]),
        standard=st.sampled_from(["screening", "demonstrated"]),
        family=st.sampled_from(["attribute", "audit"]),
        favourable=st.sampled_from([0, 1]),
        cutoff=st.one_of(st.none(), st.fractions(-9, 9, max_denominator=1_000)),
        weight=st.sampled_from([None, "weight"]),
        person=st.sampled_from([None, "person"]),
    )
    | st.builds(
        BiasCriteria,
        ll144=st.just(True),
        cutoff=st.sampled_from([None, "median"]),
        exclude_below=SHARES.filter(lambda share: share <= Fraction(1, 50)),
        exclude_because=st.just("too few"),
    )
)
def test_criteria_survive_json(criteria: BiasCriteria) -> None:
    written = json.loads(json.dumps(criteria.to_mapping()))
    assert BiasCriteria.from_mapping(written) == criteria


def test_a_decimal_bound_is_the_fraction_that_it_says() -> None:
    for written in (0.8, "0.8", "4/5", Fraction(4, 5)):
        criteria = BiasCriteria.from_mapping({"attributes": ["race"], "impact_ratio": written})
        assert criteria.impact_ratio == Fraction(4, 5)


def test_what_a_policy_leaves_out_is_the_shipped_rule() -> None:
    criteria = BiasCriteria.from_mapping({"attributes": ["race", "sex"]})
    assert criteria == BiasCriteria(intersections=())
    assert criteria.standard == "screening"
    assert (criteria.min_group, criteria.min_share) == (30, Fraction(1, 50))


@pytest.mark.parametrize(
    ("mapping", "path"),
    [
        ({}, "attributes"),
        ({"attributes": []}, "attributes"),
        ({"attributes": "race"}, "attributes"),
        ({"attributes": ["race", "race"]}, "attributes"),
        ({"attributes": ["race × sex"]}, "attributes"),
        ({"attributes": ["race"], "atributes": 1}, "atributes"),
        ({"attributes": ["race"], "cutoff": "mean"}, "cutoff"),
        ({"attributes": ["race"], "cutoff": 1e300}, "cutoff"),
        ({"attributes": ["race"], "cutoff": float("nan")}, "cutoff"),
        ({"attributes": ["race"], "cutoff": True}, "cutoff"),
        ({"attributes": ["race"], "cutoff": "median", "favourable": 0}, "favourable"),
        ({"attributes": ["race"], "weight": ""}, "weight"),
        ({"attributes": ["race"], "person": 3}, "person"),
        ({"attributes": ["race"], "ll144": 1}, "ll144"),
        ({"attributes": ["race"], "ll144": True, "exclude_below": 0.02}, "exclude_because"),
        ({"attributes": ["race"], "ll144": True, "exclude_because": "why"}, "exclude_because"),
        (
            {"attributes": ["race"], "exclude_below": 0.02, "exclude_because": "why"},
            "exclude_below",
        ),
        (
            {
                "attributes": ["race"],
                "ll144": True,
                "exclude_below": 0.03,
                "exclude_because": "why",
            },
            "exclude_below",
        ),
        (
            {"attributes": ["race"], "ll144": True, "reference": {"race": "White"}},
            "reference",
        ),
        ({"attributes": ["race"], "impact_ratio": float("nan")}, "impact_ratio"),
        ({"attributes": ["race"], "impact_ratio": float("inf")}, "impact_ratio"),
        ({"attributes": ["race"], "impact_ratio": 0}, "impact_ratio"),
        ({"attributes": ["race"], "impact_ratio": 1.2}, "impact_ratio"),
        ({"attributes": ["race"], "impact_ratio": None}, "impact_ratio"),
        ({"attributes": ["race"], "impact_ratio": True}, "impact_ratio"),
        ({"attributes": ["race"], "impact_ratio": "4/0"}, "impact_ratio"),
        ({"attributes": ["race"], "impact_ratio": "1e-999999999"}, "impact_ratio"),
        ({"attributes": ["race"], "significance": -0.1}, "significance"),
        ({"attributes": ["race"], "min_group": 0}, "min_group"),
        ({"attributes": ["race"], "min_group": 30.0}, "min_group"),
        ({"attributes": ["race"], "exact_up_to": 10**9}, "exact_up_to"),
        ({"attributes": ["race"], "standard": "lenient"}, "standard"),
        ({"attributes": ["race"], "family": None}, "family"),
        ({"attributes": ["race"], "favourable": "yes"}, "favourable"),
        ({"attributes": ["race"], "gate_intersections": 1}, "gate_intersections"),
        ({"attributes": ["race"], "intersections": [["race"]]}, "intersections[0]"),
        ({"attributes": ["race"], "intersections": [["race", "race"]]}, "intersections[0]"),
        (
            {"attributes": ["race"], "intersections": [["race", "sex"], ["sex", "race"]]},
            "intersections",
        ),
        ({"attributes": ["race"], "intersections": {"race": "sex"}}, "intersections"),
        ({"attributes": ["race"], "reference": "White"}, "reference"),
        ({"attributes": ["race"], "reference": {"sex": "Male"}}, "reference.sex"),
        ({"attributes": ["race"], "reference": {"race": "Unknown"}}, "reference.race"),
    ],
)
def test_criteria_that_cannot_be_judged_by_are_refused_with_the_path(
    mapping: dict[str, object], path: str
) -> None:
    with pytest.raises(CriteriaError) as refused:
        BiasCriteria.from_mapping(mapping)
    assert refused.value.path == path
