"""What a restore grant binds: every part of a change, and nothing that it does not name."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from muniment.change import RegistryChange
from muniment.mlflow.rules import RESTORABLE, RegistryCall

CHANGE = RegistryChange(
    method="set_model_version_tag",
    name="credit",
    version="3",
    alias="champion",
    new_name="other",
    stage="Staging",
    tag_key="muniment.tier",
    tag_value="high",
)


def test_the_digest_is_the_recorded_one() -> None:
    assert CHANGE.digest == ("d16d73d7aa2d3a058b9ced68df1e2a6d1d3f5181de8534ca74c9ed89300e91bf")


@pytest.mark.parametrize("member", [field.name for field in fields(RegistryChange)])
def test_no_part_can_be_another(member: str) -> None:
    assert replace(CHANGE, **{member: "x"}).digest != CHANGE.digest


def test_parts_do_not_run_into_each_other() -> None:
    assert (
        RegistryChange("m", "n", tag_key="ab", tag_value="c").digest
        != RegistryChange("m", "n", tag_key="a", tag_value="bc").digest
    )


def call(method: str, **arguments: Any) -> RegistryCall:
    return RegistryCall.from_arguments(method, arguments)


def test_a_call_is_the_change_that_it_makes() -> None:
    tag = SimpleNamespace(key="muniment.tier", value="high")
    assert call("set_model_version_tag", name="credit", version="3", tag=tag).change == (
        RegistryChange(
            "set_model_version_tag",
            "credit",
            version="3",
            tag_key="muniment.tier",
            tag_value="high",
        )
    )
    assert call("rename_registered_model", name="a", new_name="b").change == RegistryChange(
        "rename_registered_model", "a", new_name="b"
    )


def test_a_transition_that_archives_other_versions_is_no_change_to_restore() -> None:
    arguments = {"name": "credit", "version": 3, "stage": "None"}
    plain = call("transition_model_version_stage", **arguments, archive_existing_versions=False)
    assert plain.change is not None
    archiving = call("transition_model_version_stage", **arguments, archive_existing_versions=True)
    assert archiving.change is None


def test_nothing_is_created_or_deleted_by_a_restore() -> None:
    for method in (
        "create_model_version",
        "create_registered_model",
        "delete_model_version",
        "delete_registered_model",
    ):
        assert method not in RESTORABLE
        assert call(method, name="credit", version="1").change is None
