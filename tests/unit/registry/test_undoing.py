"""What MLflow is told to undo a violation: made on what it left, that gives what was before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.change import RegistryChange
from registry.domain.undoing import changes_to_undo
from registry.domain.violations import can_be_undone, governed_part, holds_again

rows = st.fixed_dictionaries(
    {
        "stage": st.sampled_from(["None", "Staging", "Production"]),
        "source": st.just("s3://bucket"),
        "tags": st.dictionaries(
            st.sampled_from(["muniment.a", "muniment.b", "mlflow.prompt.is_prompt", "team"]),
            st.sampled_from(["1", "true"]),
        ),
    }
)


def made(row: dict[str, Any], changes: tuple[RegistryChange, ...]) -> dict[str, Any]:
    """Return the row after the changes, as MLflow would make them."""
    row = {**row, "tags": dict(row["tags"])}
    for change in changes:
        if change.method == "transition_model_version_stage":
            row["stage"] = change.stage
        elif change.method.startswith("set_"):
            row["tags"][change.tag_key] = change.tag_value
        else:
            del row["tags"][change.tag_key]
    return row


@given(before=rows, after=rows)
def test_undoing_brings_back_what_is_governed_and_nothing_else(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    was, _ = governed_part(before, after)
    changes = changes_to_undo("version.changed", model_name="m", version=1, alias="", before=was)
    restored = made(after, changes)
    assert holds_again(was, restored)
    assert governed_part(before, restored) == ({}, {})
    assert restored["tags"].get("team") == after["tags"].get("team")
    assert bool(changes) == bool(was)


@pytest.mark.parametrize(
    ("event", "before"),
    [
        ("model.gone", {"name": "m"}),
        ("version.gone", {"version": 1}),
        ("artifacts.changed", {"subject_digest": "dirHash:0"}),
        ("version.changed", {"source": "s3://bucket"}),
    ],
)
def test_what_mlflow_cannot_undo_is_not_tried(event: str, before: dict[str, Any]) -> None:
    assert not can_be_undone(event, before)
    assert changes_to_undo(event, model_name="m", version=1, alias="", before=before) == ()


def test_what_counts_a_used_rollback_grant_is_brought_back_and_never_taken_away() -> None:
    tag = "muniment.rollback.5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11"
    for before, methods in (
        ({"tags": {tag: None}}, []),
        ({"tags": {tag: None, "muniment.x": None}}, ["delete_registered_model_tag"]),
        ({"tags": {tag: "{}"}}, ["set_registered_model_tag"]),
    ):
        changes = changes_to_undo(
            "model.changed", model_name="m", version=None, alias="", before=before
        )
        assert [change.method for change in changes] == methods
