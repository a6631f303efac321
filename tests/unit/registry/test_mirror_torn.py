"""Rows that contradict each other: left alone, and nothing is concluded from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.domain.mirror import (
    Walk,
)
from registry.domain.mirror_plan import plan_changes
from tests.unit.registry.mirroring import CREDIT, apply, kinds, live, mirrored, model, version, walk


@pytest.mark.parametrize(
    "torn",
    [
        walk(model("credit", born=900), version("credit", 1), version("credit", 2)),
        walk(*CREDIT, version("unlisted", 1)),
        walk(*CREDIT, version("credit", 2)),
        walk(*CREDIT, model("credit")),
        walk(replace(CREDIT[0], aliases={"champion": 9}), *CREDIT[1:]),
    ],
    ids=[
        "version-older-than-model",
        "version-without-model",
        "version-twice",
        "model-twice",
        "alias-without-version",
    ],
)
def test_of_what_is_torn_no_disappearance_is_concluded_and_of_the_rest_it_is(torn: Walk) -> None:
    lost = version("credit", 3)
    mirror = mirrored(*CREDIT, lost, model("unlisted", born=40), model("fraud", born=50))
    plan = plan_changes(mirror, torn)
    assert plan.torn
    assert all(problem.reason.endswith(".") for problem in plan.torn)
    doubtful = {problem.model_name for problem in plan.torn}
    gone = {change.model_name for change in plan.changes if change.kind.value.endswith("gone")}
    assert gone == {"fraud", "unlisted", "credit"} - doubtful
    # The next whole walk finds what this one could not tell.
    after = apply(mirror, plan.changes)
    assert live(apply(after, plan_changes(after, walk(*CREDIT)).changes)) == live(mirrored(*CREDIT))


def test_a_version_that_bears_another_creation_time_is_changed_and_hides_nothing() -> None:
    odd = version("credit", 1, born=201, source="s3://evil", stage="Production")
    plan = plan_changes(mirrored(*CREDIT, model("fraud")), walk(CREDIT[0], odd, CREDIT[2]))
    assert plan.torn == ()
    assert kinds(plan) == ["version.changed", "model.gone"]
    assert plan.changes[0].before == {"creation_timestamp_ms": 200, "source": "", "stage": ""}
    assert plan.changes[0].after == {
        "creation_timestamp_ms": 201,
        "source": "s3://evil",
        "stage": "Production",
    }
    # Also before its model: this very model had the name when the walk began.
    older = replace(odd, creation_timestamp_ms=1)
    assert kinds(plan_changes(mirrored(*CREDIT), walk(CREDIT[0], older, CREDIT[2]))) == [
        "version.changed"
    ]


def test_a_version_of_another_time_under_a_name_just_taken_is_torn() -> None:
    mirror = mirrored(model("a", born=10), version("a", 1), model("b", born=20))
    mirror = apply(mirror, plan_changes(mirror, walk(model("a", born=10), version("a", 1),
                   model("b", born=20), version("b", 1, born=300))).changes)  # fmt: skip
    # The two swapped their names between the calls.
    plan = plan_changes(
        mirror,
        walk(model("b", born=10), model("a", born=20), version("a", 1), version("b", 1, born=300)),
    )
    assert kinds(plan) == ["model.renamed", "model.renamed"]
    assert {problem.model_name for problem in plan.torn} == {"a", "b"}


def test_of_a_name_that_was_not_read_whole_no_version_is_gone() -> None:
    mirror = mirrored(*CREDIT, model("fraud", 101), version("fraud", 1))
    moved = replace(CREDIT[0], aliases={"champion": 2, "challenger": 9})
    seen = replace(walk(moved, model("fraud", 101)), unread=frozenset({"credit"}))
    plan = plan_changes(mirror, seen)
    assert plan.torn == ()
    assert [(change.kind.value, change.model_name, change.version) for change in plan.changes] == [
        ("alias.moved", "credit", 2),
        ("version.gone", "fraud", 1),
    ]
    # The list of models is whole: one that is not in it is gone, with all its versions.
    away = replace(walk(model("fraud", 101)), unread=frozenset({"fraud"}))
    assert kinds(plan_changes(mirror, away)) == [
        "alias.removed",
        "version.gone",
        "version.gone",
        "model.gone",
    ]


def test_a_version_older_than_its_model_is_not_mirrored() -> None:
    plan = plan_changes({}, walk(model("credit", born=900), version("credit", 1)))
    assert kinds(plan) == ["model.appeared"]
    assert plan.torn[0].version == 1


def test_a_version_older_than_its_model_is_one_of_it_when_the_walk_before_saw_that_model() -> None:
    seen = walk(model("credit", born=900, aliases={"champion": 1}), version("credit", 1))
    first = plan_changes({}, seen)
    assert {problem.version for problem in first.torn} == {1}
    second = plan_changes(apply({}, first.changes), seen)
    assert (kinds(second), second.torn) == (["version.appeared", "alias.set"], ())
    # Somebody wrote another creation time of a known model.
    mirror = mirrored(replace(CREDIT[0], aliases={"champion": 1}), CREDIT[1])
    assert plan_changes(mirror, seen).torn
    again = plan_changes(mirror, seen, {"credit": 900})
    assert again.torn == ()
    assert live(apply(mirror, again.changes)) == live(
        apply(apply({}, first.changes), second.changes)
    )
