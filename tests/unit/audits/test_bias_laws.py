"""What holds of the bias rule for all counts."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audits.domain.bias import AttributeCounts, BiasCriteria, Counts, GroupCounts, judge
from audits.domain.measurements import counts_from_json, to_json

ORDER = ("error", "fail", "insufficient", "pass")

CRITERIA = st.builds(
    BiasCriteria,
    attributes=st.just(("race",)),
    intersections=st.just(()),
    standard=st.sampled_from(["screening", "demonstrated"]),
    references=st.sampled_from([(), (("race", "A"),)]),
    fail_on_significant_gap=st.booleans(),
) | st.builds(
    BiasCriteria,
    attributes=st.just(("race",)),
    intersections=st.just(()),
    ll144=st.just(True),
    exclude_below=st.just(Fraction(1, 50)),
    exclude_because=st.just("too few"),
)


def group(name: str, most: int = 250) -> st.SearchStrategy[GroupCounts]:
    # Rates that are high and close together, else a pass is never drawn.
    return st.integers(1, most).flatmap(
        lambda n: st.builds(
            GroupCounts,
            name=st.just(name),
            n=st.just(n),
            selected=st.one_of(st.integers(0, n), st.integers(math.floor(0.85 * n), n)),
        )
    )


KNOWN = st.lists(st.sampled_from("ABCD"), min_size=2, max_size=4, unique=True).flatmap(
    lambda names: st.tuples(*(group(name) for name in names))
)
UNKNOWN = st.one_of(st.just(()), group("unknown", 25).map(lambda found: (found,)))


# Most of these pass, so that what must hold of a pass is tried often.
LIKELY = st.tuples(
    *(
        st.integers(60, 300).flatmap(
            lambda n, name=name: st.builds(
                GroupCounts,
                name=st.just(name),
                n=st.just(n),
                selected=st.integers(math.ceil(0.9 * n), n),
            )
        )
        for name in "ABC"
    )
)


def counts_of(groups: tuple[GroupCounts, ...]) -> Counts:
    return Counts(sum(found.n for found in groups), 1, (AttributeCounts("race", groups),))


@given(KNOWN, UNKNOWN, CRITERIA, st.randoms(use_true_random=False))
def test_the_order_of_groups_is_irrelevant(
    known: tuple[GroupCounts, ...],
    unknown: tuple[GroupCounts, ...],
    criteria: BiasCriteria,
    random: object,
) -> None:
    groups = [*known, *unknown]
    judgement = judge(counts_of(tuple(groups)), criteria)
    random.shuffle(groups)  # type: ignore[attr-defined]
    again = judge(counts_of(tuple(groups)), criteria)
    assert (again.conclusion, again.reasons) == (judgement.conclusion, judgement.reasons)
    assert again.attributes == judgement.attributes


@settings(max_examples=300)
@given(st.one_of(KNOWN, LIKELY), group("unknown", 60), CRITERIA)
def test_adding_unknown_people_never_makes_a_pass(
    known: tuple[GroupCounts, ...], unknown: GroupCounts, criteria: BiasCriteria
) -> None:
    before = judge(counts_of(known), criteria).conclusion
    after = judge(counts_of((*known, unknown)), criteria).conclusion
    assert ORDER.index(after) <= ORDER.index(before)


@settings(max_examples=300)
@given(LIKELY, group("unknown", 12), CRITERIA, st.data())
def test_a_pass_survives_every_assignment_of_the_unknown_people(
    known: tuple[GroupCounts, ...],
    unknown: GroupCounts,
    criteria: BiasCriteria,
    data: st.DataObject,
) -> None:
    assume(judge(counts_of((*known, unknown)), criteria).conclusion == "pass")
    groups = list(known)
    for person in range(unknown.n):
        place = data.draw(st.integers(0, len(groups) - 1))
        found = groups[place]
        selected = int(person < unknown.selected)
        groups[place] = GroupCounts(found.name, found.n + 1, found.selected + selected)
    revealed = judge(counts_of(tuple(groups)), replace(criteria, fail_on_significant_gap=False))
    assert revealed.conclusion == "pass"


@given(st.one_of(KNOWN, LIKELY), CRITERIA, st.integers(2, 5))
def test_more_people_at_the_same_rates_keep_ratios_and_screening_passes(
    known: tuple[GroupCounts, ...], criteria: BiasCriteria, factor: int
) -> None:
    screening = replace(criteria, standard="screening", fail_on_significant_gap=False)
    scaled = tuple(GroupCounts(g.name, g.n * factor, g.selected * factor) for g in known)
    one = judge(counts_of(known), screening)
    more = judge(counts_of(scaled), screening)
    if one.conclusion == "pass":
        assert more.conclusion == "pass"
    # The reference may change where a group grew past the least number of people.
    if one.attributes and one.attributes[0].reference == more.attributes[0].reference:
        for before, after in zip(one.attributes[0].groups, more.attributes[0].groups, strict=True):
            assert (before.impact_ratio, before.below) == (after.impact_ratio, after.below)


@given(st.one_of(KNOWN, LIKELY), UNKNOWN, CRITERIA)
def test_a_demonstrated_pass_is_a_screening_pass(
    known: tuple[GroupCounts, ...], unknown: tuple[GroupCounts, ...], criteria: BiasCriteria
) -> None:
    counts = counts_of((*known, *unknown))
    if judge(counts, replace(criteria, standard="demonstrated")).conclusion == "pass":
        assert judge(counts, replace(criteria, standard="screening")).conclusion == "pass"


@given(st.one_of(KNOWN, LIKELY), UNKNOWN, CRITERIA)
def test_a_pass_has_everything_that_the_rule_asks_for(
    known: tuple[GroupCounts, ...], unknown: tuple[GroupCounts, ...], criteria: BiasCriteria
) -> None:
    # Written from the rule's text, in floats kept away from the bound by exact integers below.
    judgement = judge(counts_of((*known, *unknown)), criteria)
    assert judgement.reasons
    if judgement.conclusion != "pass":
        return
    (attribute,) = judgement.attributes
    reference = next(g for g in known if g.name == attribute.reference)
    assert reference.n >= 30
    assert reference.selected > 0
    assert sum(g.n for g in unknown) * 20 <= sum(g.n for g in (*known, *unknown))
    people = sum(g.n for g in known)
    for found in known:
        if found.n * 50 < people and criteria.exclude_below:
            continue
        assert found.n >= 30
        assert 5 * found.selected * reference.n >= 4 * reference.selected * found.n


@given(KNOWN, UNKNOWN, CRITERIA)
def test_stored_measurements_are_judged_as_the_counts_were(
    known: tuple[GroupCounts, ...], unknown: tuple[GroupCounts, ...], criteria: BiasCriteria
) -> None:
    judgement = judge(counts_of((*known, *unknown)), criteria)
    stored = json.loads(json.dumps(to_json(judgement), allow_nan=False))
    again = judge(counts_from_json(stored), criteria)
    if judgement.conclusion == "error":
        assert again.conclusion == "error"
    else:
        assert again == replace(judgement, counts=again.counts)
