"""Which evidence counts, what it is compared with, and what its digest covers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.evidence import (
    EvidenceItem,
    comparison_holder,
    current_item,
    evidence_digest,
    supersede,
)
from registry.domain.words import Grade
from tests.unit.registry.samples import (
    CHAMPION,
    OTHER_SUBJECT,
    VERSION,
    bias_item,
    bias_measurements,
    champion_facts,
    credit_decision,
    evidence_view,
    lineage_facts,
    performance_item,
)

KINDS = ("bias", "performance")
POLICY = credit_decision().digest


def counting(*items: EvidenceItem) -> str | None:
    item = current_item(supersede(items), "bias")
    return None if item is None else item.digest


def test_the_newest_of_a_kind_counts() -> None:
    assert counting(bias_item(digest="a"), bias_item(digest="b")) == "b"
    older, newer = supersede((bias_item(digest="a"), bias_item(digest="b")))
    assert older.superseded_by == "b"
    assert newer.superseded_by is None


def test_a_report_never_supersedes_what_was_computed() -> None:
    computed = bias_item(digest="a", origin="computed", conclusion="fail")
    assert counting(computed, bias_item(digest="b")) == "a"
    assert counting(bias_item(digest="b"), computed) == "a"
    assert counting(computed, bias_item(digest="c", origin="computed")) == "c"
    assert counting(computed, bias_item(digest="b", origin="Computed")) == "a"


def test_what_was_computed_about_other_bytes_does_not_stand_in_the_way() -> None:
    computed = bias_item(digest="a", origin="computed", subject_digest=OTHER_SUBJECT)
    assert counting(computed, bias_item(digest="b")) == "b"


def test_what_was_superseded_before_stays_so() -> None:
    assert counting(bias_item(digest="a"), bias_item(digest="b", superseded_by="x")) == "a"


@given(
    st.lists(
        st.builds(
            bias_item,
            st.just({}),
            kind=st.sampled_from(["bias", "performance", "other"]),
            origin=st.sampled_from(["reported", "computed"]),
            subject_digest=st.sampled_from(["x", "y"]),
            digest=st.sampled_from("abcdefgh"),
            superseded_by=st.sampled_from([None, None, "z"]),
        ),
        max_size=8,
    )
)
def test_one_item_of_each_kind_counts_whatever_was_recorded(items: list[EvidenceItem]) -> None:
    view = evidence_view(items=supersede(items))
    current = [item.kind for item in view.items if item.superseded_by is None]
    assert len(set(current)) == len(current)
    assert supersede(view.items) == view.items


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], (None, False)),
        ([VERSION], (None, False)),
        ([VERSION, None], (None, False)),
        ([CHAMPION], (CHAMPION, True)),
        ([CHAMPION, None], (CHAMPION, True)),
        ([CHAMPION, VERSION], (CHAMPION, True)),
        ([CHAMPION, VERSION, None, VERSION], (CHAMPION, True)),
        ([VERSION, CHAMPION], (CHAMPION, True)),
        ([VERSION, CHAMPION, VERSION], (CHAMPION, True)),
    ],
)
def test_the_champion_to_compare_with(
    history: list[str | None], expected: tuple[str | None, bool]
) -> None:
    assert comparison_holder(history, VERSION) == expected


@given(st.lists(st.sampled_from([VERSION, CHAMPION, "another", None])))
def test_a_promotion_does_not_change_what_it_is_compared_with(history: list[str | None]) -> None:
    """Or its own execution would dismiss the approvals that it rests on."""
    assert comparison_holder([*history, VERSION], VERSION) == comparison_holder(history, VERSION)


def test_the_digest_is_stable_and_covers_what_is_shown() -> None:
    view = evidence_view(champion=champion_facts())
    digest = evidence_digest(POLICY, "champion", view, KINDS)
    assert digest == evidence_digest(
        POLICY, "Champion", evidence_view(champion=champion_facts()), KINDS
    )
    changes: list[dict[str, Any]] = [
        {"version_uri": VERSION + "0"},
        {"subject_digest": OTHER_SUBJECT},
        {"lineage": None},
        {"lineage": lineage_facts(code=Grade.WEAK)},
        {"lineage": replace(lineage_facts(), digest="9" * 64)},
        {"items": view.items[:1]},
        {"items": (replace(view.items[0], digest="9" * 64), view.items[1])},
        {"items": (replace(view.items[0], origin="computed"), view.items[1])},
        {"champion": None},
        {"champion": champion_facts(items=())},
        {"champion": champion_facts(version_uri=CHAMPION + "0")},
    ]
    digests = {
        evidence_digest(POLICY, "champion", replace(view, **change), KINDS) for change in changes
    } | {
        evidence_digest("sha256:" + "e" * 64, "champion", view, KINDS),
        evidence_digest(POLICY, "production", view, KINDS),
    }
    assert len(digests) == len(changes) + 2
    assert digest not in digests


def test_the_digest_leaves_out_what_does_not_count() -> None:
    view = evidence_view()
    digest = evidence_digest(POLICY, "champion", view, KINDS)
    outdated = bias_item(
        bias_measurements(black_selected=75), digest="9" * 64, superseded_by="1" * 64
    )
    for same in (
        replace(view, items=(outdated, *view.items)),
        replace(view, items=view.items[::-1]),
        replace(view, under_way=frozenset({"bias"})),
    ):
        assert evidence_digest(POLICY, "champion", same, KINDS) == digest


@pytest.mark.parametrize(
    "changes",
    [
        {"items": (bias_item(digest="a"), bias_item(digest="b"))},
        {"champion": champion_facts(items=(performance_item(), performance_item(digest="b")))},
        {"champion": champion_facts(), "alias_ever_held": False},
        {"champion": champion_facts(version_uri=VERSION)},
    ],
)
def test_a_view_that_contradicts_itself_cannot_be_built(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        evidence_view(**changes)


def test_evidence_that_no_gate_reads_dismisses_nothing() -> None:
    view = evidence_view()
    recomputed = replace(bias_item(), kind="recomputation", digest="r" * 64)
    more = replace(view, items=(*view.items, recomputed))
    assert evidence_digest(POLICY, "champion", more, KINDS) == evidence_digest(
        POLICY, "champion", view, KINDS
    )
    read = (*KINDS, "recomputation")
    assert evidence_digest(POLICY, "champion", more, read) != evidence_digest(
        POLICY, "champion", view, read
    )
    assert credit_decision().evidence_kinds == frozenset(KINDS)


def test_the_offline_verifier_knows_what_each_kind_of_gate_reads() -> None:
    from muniment.verify import evidence_view as offline
    from registry.domain import policy_gates as server

    assert {kind.value: read for kind, read in server._READS.items()} == offline._READS
