"""What the mirror makes of a walk: exactly the differences, and nothing of what is torn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.attest.digest import canonical_json
from registry.domain.identity import ModelIdentity, model_uri, version_uri
from registry.domain.mirror import (
    Change,
    MirrorPlan,
    ModelRow,
    ModelState,
    VersionRow,
    VersionState,
    Walk,
    row_hash,
)
from registry.domain.mirror_plan import plan_changes

Mirror = dict[ModelIdentity, ModelState]


def apply(mirror: Mirror, changes: Iterable[Change]) -> Mirror:
    """Store changes as the mirror does, one by one and in their order."""
    stored = dict(mirror)
    for change in changes:
        state = stored.get(change.identity, ModelState(name="", row={}, row_hash=""))
        if change.alias is not None:
            aliases = dict(state.aliases)
            if change.after is None:
                del aliases[change.alias]
            else:
                # A foreign key: the version must be stored before the alias.
                assert not state.versions[change.after["version"]].gone
                aliases[change.alias] = change.after["version"]
            state = replace(state, aliases=aliases)
        elif change.version is not None:
            assert change.identity in stored
            versions = dict(state.versions)
            if change.row is None:
                versions[change.version] = replace(versions[change.version], gone=True)
            else:
                versions[change.version] = VersionState(change.row, change.row_hash or "")
            state = replace(state, versions=versions)
        elif change.row is None:
            state = replace(state, gone=True, aliases={})
        else:
            state = replace(
                state,
                name=change.model_name,
                row=change.row,
                row_hash=change.row_hash or "",
                gone=False,
            )
        stored[change.identity] = state
    return stored


def model(name: str, born: int = 100, **values: Any) -> ModelRow:
    return ModelRow(name=name, creation_timestamp_ms=born, **values)


def version(name: str, number: int, born: int = 200, **values: Any) -> VersionRow:
    return VersionRow(model_name=name, version=number, creation_timestamp_ms=born, **values)


def walk(*rows: ModelRow | VersionRow) -> Walk:
    return Walk(
        models=tuple(row for row in rows if isinstance(row, ModelRow)),
        versions=tuple(row for row in rows if isinstance(row, VersionRow)),
    )


def mirrored(*rows: ModelRow | VersionRow) -> Mirror:
    plan = plan_changes({}, walk(*rows))
    assert plan.torn == ()
    return apply({}, plan.changes)


def kinds(plan: MirrorPlan) -> list[str]:
    return [change.kind.value for change in plan.changes]


CREDIT = (model("credit", aliases={"champion": 1}), version("credit", 1), version("credit", 2))


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


names = st.sampled_from(["a", "b", "c"])
tags = st.dictionaries(st.sampled_from(["t", "u"]), st.text(max_size=2), max_size=2)


@st.composite
def whole_walks(draw: st.DrawFn) -> Walk:
    """Draw a walk that does not contradict itself, of models that are never renamed."""
    models, versions = [], []
    for name in draw(st.sets(names)):
        born = 1000 * ord(name) + draw(st.integers(0, 1))
        numbers = draw(st.sets(st.integers(1, 3)))
        held = st.sampled_from(sorted(numbers)) if numbers else st.nothing()
        models.append(
            model(
                name,
                born,
                tags=draw(tags),
                aliases=draw(st.dictionaries(st.sampled_from(["x", "y"]), held)) if numbers else {},
            )
        )
        versions += [
            version(name, number, born + number, tags=draw(tags)) for number in sorted(numbers)
        ]
    return Walk(tuple(models), tuple(versions))


def live(mirror: Mirror) -> Any:
    """Give what the mirror holds now, as a walk would say it."""
    return {
        (state.name, identity.creation_timestamp_ms): (
            state.row_hash,
            dict(state.aliases),
            {
                number: stored.row_hash
                for number, stored in state.versions.items()
                if not stored.gone
            },
        )
        for identity, state in mirror.items()
        if not state.gone
    }


@given(st.lists(whole_walks(), min_size=1, max_size=4))
def test_applying_a_plan_brings_the_mirror_to_the_walk(walks: list[Walk]) -> None:
    mirror: Mirror = {}
    for seen in walks:
        plan = plan_changes(mirror, seen)
        assert plan.torn == ()
        mirror = apply(mirror, plan.changes)
        assert plan_changes(mirror, seen) == MirrorPlan((), ())
        assert live(mirror) == {
            (row.name, row.creation_timestamp_ms): (
                row_hash(row),
                dict(row.aliases),
                {found.version: row_hash(found) for found in seen.versions
                 if found.model_name == row.name},
            )
            for row in seen.models
        }  # fmt: skip
        for change in plan.changes:
            canonical_json([change.before, change.after, change.row])


@given(whole_walks(), whole_walks(), whole_walks())
def test_any_two_list_calls_give_a_plan_that_can_be_stored(
    known: Walk, first_call: Walk, second_call: Walk
) -> None:
    mirror = apply({}, plan_changes({}, known).changes)
    plan = plan_changes(mirror, Walk(first_call.models, second_call.versions))
    stored = apply(mirror, plan.changes)
    doubtful = {problem.model_name for problem in plan.torn}
    assert not any(state.gone and state.name in doubtful for state in stored.values())


# A registry: name → (when the model was made, number → when that version was).
Registry = dict[str, tuple[int, dict[int, int]]]
steps = st.tuples(st.sampled_from(["make", "rename", "drop", "add", "delete"]), names, names)


def step(registry: Registry, what: str, name: str, other: str, now: int) -> Registry:
    """Do to a registry what MLflow lets people do; nothing where it would not."""
    done = {key: (born, dict(versions)) for key, (born, versions) in registry.items()}
    if what == "make":
        done.setdefault(name, (now, {}))
    elif name in done and what == "rename":
        if other not in done:
            done[other] = done.pop(name)
    elif name in done and what == "drop":
        del done[name]
    elif name in done and what == "add":
        done[name][1][1 + max(done[name][1], default=0)] = now
    elif name in done and done[name][1]:
        del done[name][1][min(done[name][1])]
    return done


def listed(first_call: Registry, second_call: Registry) -> Walk:
    return walk(
        *(model(name, born) for name, (born, _) in second_call.items()),
        *(
            version(name, number, born)
            for name, (_, versions) in first_call.items()
            for number, born in versions.items()
        ),
    )


@example(
    before=[("make", "a", "a"), ("add", "a", "a")],
    meanwhile=[("rename", "a", "b")],
    between=[("rename", "b", "c")],
)
@example(
    before=[("make", "a", "a"), ("add", "a", "a")],
    meanwhile=[("rename", "a", "b")],
    between=[("rename", "b", "a")],
)
@given(st.lists(steps, max_size=12), st.lists(steps, max_size=3), st.lists(steps, max_size=3))
def test_nothing_that_is_there_is_said_to_be_gone_whatever_happens_during_a_walk(
    before: list[Any], meanwhile: list[Any], between: list[Any]
) -> None:
    registry: Registry = {}
    states: list[Registry] = []
    for number, done in enumerate([*before, None, *meanwhile, None, *between, None]):
        if done is None:
            states.append(registry)
        else:
            registry = step(registry, *done, now=10 * (number + 1))
    known, first_call, second_call = states
    mirror = apply({}, plan_changes({}, listed(known, known)).changes)
    plan = plan_changes(mirror, listed(first_call, second_call))
    there = dict(second_call.values())
    for change in plan.changes:
        born = change.identity.creation_timestamp_ms
        if change.kind.value == "model.gone":
            assert born not in there
        if change.kind.value == "version.gone":
            assert change.before is not None
            made = change.before["creation_timestamp_ms"]
            assert there.get(born, {}).get(change.version or 0) != made


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
