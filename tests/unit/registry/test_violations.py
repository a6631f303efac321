"""Which changes went around the registry store."""

from __future__ import annotations

from typing import Any

import pytest

from registry.domain.identity import ModelIdentity
from registry.domain.mirror import Change, ChangeKind
from registry.domain.violations import (
    PROMPT_TAG,
    can_be_undone,
    goes_around_the_store,
    governed_part,
    holds_again,
    merged_before,
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
    ],
)
def test_what_the_store_refuses_is_a_violation(change: Change) -> None:
    assert goes_around_the_store(change)


@pytest.mark.parametrize(
    "change",
    [
        _change(ChangeKind.MODEL_APPEARED, after={"name": "m"}),
        _change(ChangeKind.VERSION_APPEARED, after={"version": 1}),
        _change(ChangeKind.MODEL_CHANGED, {"description": ""}, {"description": "better"}),
        _change(ChangeKind.VERSION_CHANGED, {"tags": {}}, {"tags": {"team": "risk"}}),
        _change(ChangeKind.MODEL_GONE, before={"name": "p", "tags": {PROMPT_TAG: "true"}}),
    ],
)
def test_what_anybody_may_do_is_none(change: Change) -> None:
    assert not goes_around_the_store(change)


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
