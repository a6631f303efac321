"""Which changes went around the registry store."""

from __future__ import annotations

from typing import Any

import pytest

from muniment.governed import PROMPT_TAG
from registry.domain.identity import ModelIdentity
from registry.domain.mirror import Change, ChangeKind
from registry.domain.violations import (
    can_be_undone,
    governed_part,
    holds_again,
    is_prompt,
    judged_part,
    merged_before,
    part_not_restored,
)

IDENTITY = ModelIdentity(1, "m")


def _change(kind: ChangeKind, before: Any = None, after: Any = None) -> Change:
    return Change(kind=kind, identity=IDENTITY, model_name="m", before=before, after=after)


@pytest.mark.parametrize(
    "change",
    [
        _change(ChangeKind.MODEL_GONE, before={"name": "m", "tags": {}}),
        _change(ChangeKind.VERSION_GONE, before={"version": 1, "tags": {}}),
        _change(ChangeKind.MODEL_RENAMED, before={"name": "m"}, after={"name": "n"}),
        _change(ChangeKind.VERSION_CHANGED, before={"stage": "None"}, after={"stage": "Staging"}),
        _change(ChangeKind.VERSION_CHANGED, before={"source": "a"}, after={"source": "b"}),
        _change(ChangeKind.VERSION_CHANGED, {"tags": {}}, {"tags": {"muniment.x": "1"}}),
        _change(ChangeKind.VERSION_CHANGED, {"tags": {"muniment.x": "1"}}, {"tags": {}}),
        _change(ChangeKind.MODEL_CHANGED, {"tags": {}}, {"tags": {PROMPT_TAG: "true"}}),
        _change(ChangeKind.VERSION_CHANGED, {"tags": {}}, {"tags": {"Muniment.X": "1"}}),
        _change(
            ChangeKind.VERSION_CHANGED,
            {"creation_timestamp_ms": 1},
            {"creation_timestamp_ms": 2},
        ),
        # A row that appears as nobody may register it.
        _change(ChangeKind.VERSION_APPEARED, after={"stage": "Production", "tags": {}}),
        _change(ChangeKind.VERSION_APPEARED, after={"stage": "None", "tags": {"muniment.x": "1"}}),
        _change(ChangeKind.VERSION_CHANGED, after={"tags": {"muniment.registrant": "0"}}),
        _change(ChangeKind.VERSION_APPEARED, after={"stage": "None", "tags": {PROMPT_TAG: "true"}}),
        _change(ChangeKind.MODEL_APPEARED, after={"name": "m", "tags": {PROMPT_TAG: "true"}}),
        # One that vanished and came back as something else.
        _change(
            ChangeKind.VERSION_APPEARED,
            before={"stage": "None", "source": "a", "tags": {}},
            after={"stage": "None", "source": "b", "tags": {}},
        ),
        # The prompt tag exempts nothing by itself.
        _change(ChangeKind.MODEL_GONE, before={"name": "m", "tags": {PROMPT_TAG: "true"}}),
    ],
)
def test_what_the_store_refuses_is_a_violation(change: Change) -> None:
    assert judged_part(change, is_prompt=False)


@pytest.mark.parametrize(
    "change",
    [
        _change(ChangeKind.MODEL_APPEARED, after={"name": "m"}),
        _change(ChangeKind.VERSION_APPEARED, after={"version": 1}),
        _change(ChangeKind.VERSION_APPEARED, after={"stage": "None", "tags": {"team": "risk"}}),
        _change(ChangeKind.VERSION_APPEARED, after={"tags": {"muniment.registrant": "0"}}),
        _change(
            ChangeKind.VERSION_APPEARED,
            before={"stage": "None", "source": "a", "tags": {}},
            after={"stage": "None", "source": "a", "tags": {}, "description": "back"},
        ),
        _change(ChangeKind.MODEL_CHANGED, {"description": ""}, {"description": "better"}),
        _change(ChangeKind.VERSION_CHANGED, {"tags": {}}, {"tags": {"team": "risk"}}),
    ],
)
def test_what_anybody_may_do_is_none(change: Change) -> None:
    assert judged_part(change, is_prompt=False) is None


def test_two_changes_in_a_row_are_restored_to_where_the_first_began() -> None:
    first = {"stage": "None", "tags": {"muniment.a": None}}
    later = {"stage": "Staging", "source": "s3://old", "tags": {"muniment.b": "1"}}
    merged = merged_before(first, later)
    assert merged == {
        "stage": "None",
        "source": "s3://old",
        "tags": {"muniment.a": None, "muniment.b": "1"},
    }
    assert not can_be_undone("version.changed", merged)
    assert can_be_undone("version.changed", first)
    row = {"stage": "None", "source": "s3://old", "tags": {"muniment.b": "1", "team": "x"}}
    assert holds_again(merged, row)
    assert not holds_again(merged, {**row, "source": "s3://new"})
    assert not holds_again(merged, {**row, "tags": {"muniment.a": "1", "muniment.b": "1"}})


def test_of_two_states_only_what_is_governed_and_differs_is_kept() -> None:
    before = {"stage": "None", "description": "a", "tags": {"team": "x", "muniment.a": "1"}}
    after = {"stage": "None", "description": "b", "tags": {"team": "y"}}
    assert governed_part(before, after) == (
        {"tags": {"muniment.a": "1"}},
        {"tags": {"muniment.a": None}},
    )


def test_a_prompt_is_one_by_what_its_versions_hold_and_not_by_its_tag() -> None:
    tagged = {"tags": {PROMPT_TAG: "true"}}
    real = {**tagged, "source": "s3://bucket"}
    prompt = {**tagged, "source": "dummy-source"}
    assert is_prompt(tagged, [])
    assert is_prompt(tagged, [prompt, {**tagged, "source": "prompt-template"}])
    assert not is_prompt(tagged, [prompt, real])
    assert not is_prompt(tagged, [{"tags": {}, "source": "dummy-source"}])
    assert not is_prompt({"tags": {}}, [prompt])


def test_what_a_prompt_may_do_a_prompt_may() -> None:
    for change in (
        _change(ChangeKind.MODEL_GONE, before={"name": "p", "tags": {PROMPT_TAG: "true"}}),
        _change(ChangeKind.VERSION_APPEARED, after={"stage": "None", "tags": {PROMPT_TAG: "true"}}),
    ):
        assert judged_part(change, is_prompt=True) is None
    tagged = _change(ChangeKind.VERSION_APPEARED, after={"tags": {"muniment.x": "1"}})
    assert judged_part(tagged, is_prompt=True) is not None


def test_one_field_that_is_put_back_excuses_none_of_the_others() -> None:
    wanted = {"stage": "None", "tags": {"muniment.a": "1", "muniment.b": None}}
    old = {"stage": "Staging", "source": "a", "tags": {"muniment.a": None, "muniment.c": None}}
    new = {"stage": "None", "source": "b", "tags": {"muniment.a": "1", "muniment.c": "2"}}
    assert part_not_restored(old, new, wanted) == (
        {"source": "a", "tags": {"muniment.c": None}},
        {"source": "b", "tags": {"muniment.c": "2"}},
    )
    assert part_not_restored({"stage": "Staging"}, {"stage": "None"}, wanted) is None
    assert part_not_restored({"stage": "None"}, {"stage": "Archived"}, wanted) is not None
