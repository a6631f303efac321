"""What the mirror makes of a walk: exactly the differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.domain.identity import ModelIdentity, model_uri, version_uri
from registry.domain.mirror import (
    MirrorPlan,
    row_hash,
)
from registry.domain.mirror_plan import plan_changes
from tests.unit.registry.mirroring import CREDIT, apply, kinds, mirrored, model, version, walk


def test_a_first_walk_finds_everything_in_an_order_that_can_be_stored() -> None:
    plan = plan_changes({}, walk(*CREDIT))
    assert kinds(plan) == ["model.appeared", "version.appeared", "version.appeared", "alias.set"]
    assert plan.changes[0].identity == ModelIdentity(100, "credit")
    assert plan.changes[-1].after == {"version": 1}


def test_a_second_walk_without_change_plans_nothing() -> None:
    assert plan_changes(mirrored(*CREDIT), walk(*CREDIT)) == MirrorPlan((), ())


@pytest.mark.parametrize(
    ("aliases", "kind", "before", "after"),
    [
        ({"champion": 2}, "alias.moved", {"version": 1}, {"version": 2}),
        ({}, "alias.removed", {"version": 1}, None),
        ({"champion": 1, "canary": 2}, "alias.set", None, {"version": 2}),
    ],
)
def test_an_alias_change_says_from_where_to_where(
    aliases: dict[str, int], kind: str, before: Any, after: Any
) -> None:
    (change,) = plan_changes(
        mirrored(*CREDIT), walk(replace(CREDIT[0], aliases=aliases), *CREDIT[1:])
    ).changes
    assert (change.kind.value, change.before, change.after) == (kind, before, after)
    assert change.row is None


def test_a_changed_row_shows_only_what_differs_and_carries_the_whole() -> None:
    changed = version("credit", 2, tags={"owner": "risk"}, stage="Production")
    (change,) = plan_changes(mirrored(*CREDIT), walk(*CREDIT[:2], changed)).changes
    assert change.kind.value == "version.changed"
    assert change.before == {"tags": {}, "stage": ""}
    assert change.after == {"tags": {"owner": "risk"}, "stage": "Production"}
    assert change.row is not None
    assert change.row["run_id"] == ""
    assert change.row_hash == row_hash(changed)


def test_a_renamed_model_keeps_its_identity_and_its_history() -> None:
    renamed = (replace(CREDIT[0], name="loans"), version("loans", 1), version("loans", 2))
    (change,) = plan_changes(mirrored(*CREDIT), walk(*renamed)).changes
    assert change.kind.value == "model.renamed"
    assert change.identity == ModelIdentity(100, "credit")
    assert (change.before, change.after) == ({"name": "credit"}, {"name": "loans"})
    again = apply(mirrored(*CREDIT), [change])
    assert plan_changes(again, walk(*renamed)).changes == ()


def test_a_rename_and_another_change_are_two_facts() -> None:
    renamed = (
        replace(CREDIT[0], name="loans", description="new"),
        version("loans", 1),
        version("loans", 2),
    )
    plan = plan_changes(mirrored(*CREDIT), walk(*renamed))
    assert kinds(plan) == ["model.renamed", "model.changed"]
    assert plan.changes[1].after == {"description": "new"}


def test_a_name_deleted_and_made_again_is_another_model() -> None:
    again = walk(model("credit", born=900), version("credit", 1, born=950))
    plan = plan_changes(mirrored(*CREDIT), again)
    assert kinds(plan) == [
        "model.appeared",
        "version.appeared",
        "alias.removed",
        "version.gone",
        "version.gone",
        "model.gone",
    ]
    assert plan.changes[0].identity == ModelIdentity(900, "credit")
    assert plan.changes[-1].identity == ModelIdentity(100, "credit")


def test_a_name_taken_over_after_a_rename_does_not_mix_two_models() -> None:
    swapped = walk(model("loans"), model("credit", born=300))
    plan = plan_changes(mirrored(model("credit")), swapped)
    assert {(change.kind.value, change.identity) for change in plan.changes} == {
        ("model.renamed", ModelIdentity(100, "credit")),
        ("model.appeared", ModelIdentity(300, "credit")),
    }


def test_two_models_of_one_millisecond_that_swap_names_are_not_guessed_at() -> None:
    mirror = mirrored(model("a"), model("b"))
    plan = plan_changes(mirror, walk(model("c"), model("d")))
    assert sorted(kinds(plan)) == ["model.appeared"] * 2 + ["model.gone"] * 2


def test_what_vanished_is_gone_and_comes_back_as_itself() -> None:
    mirror = mirrored(*CREDIT)
    plan = plan_changes(mirror, walk(*CREDIT[:2]))
    assert kinds(plan) == ["version.gone"]
    assert plan.changes[0].before is not None
    mirror = apply(mirror, plan.changes)
    plan = plan_changes(mirror, walk())
    assert kinds(plan) == ["alias.removed", "version.gone", "model.gone"]
    mirror = apply(mirror, plan.changes)
    assert plan_changes(mirror, walk()).changes == ()
    back = plan_changes(mirror, walk(*CREDIT))
    assert kinds(back) == ["model.appeared", "version.appeared", "version.appeared", "alias.set"]
    assert {change.identity for change in back.changes} == {ModelIdentity(100, "credit")}


def test_a_uri_tells_names_apart_that_look_alike() -> None:
    uris = {
        version_uri("default", ModelIdentity(1, name), 2)
        for name in ("a/b", "a%2Fb", "a@1", "a b", "ä", "a?b", "a#b")
    }
    assert len(uris) == 7
    assert version_uri("default", ModelIdentity(17, "loan approval"), 3) == (
        "muniment://default/models/loan%20approval@17/versions/3"
    )
    assert model_uri("s", ModelIdentity(1, "a@2/versions/3")) == (
        "muniment://s/models/a%402%2Fversions%2F3@1"
    )
