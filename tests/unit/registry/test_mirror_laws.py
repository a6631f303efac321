"""Laws of planning a walk, whatever happens in MLflow while it is made."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from muniment.attest.digest import canonical_json
from registry.domain.mirror import (
    MirrorPlan,
    Walk,
    row_hash,
)
from registry.domain.mirror_plan import plan_changes
from tests.unit.registry.mirroring import Mirror, apply, live, model, version, walk

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
