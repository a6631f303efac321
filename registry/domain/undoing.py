"""What MLflow has to be told to bring back what a violation changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muniment.change import RegistryChange
from muniment.grant import ROLLBACK_TAG_PREFIX
from registry.domain.mirror import ChangeKind
from registry.domain.violations import ROW_CHANGES

_ALIASES = (ChangeKind.ALIAS_SET, ChangeKind.ALIAS_MOVED, ChangeKind.ALIAS_REMOVED)


def changes_to_undo(
    event: str,
    *,
    model_name: str,
    version: int | None,
    alias: str,
    before: Mapping[str, Any] | None,
) -> tuple[RegistryChange, ...]:
    """Return the calls that undo a violation, in the order in which to make them.

    Law: made on what the violation left, they leave what was before it. Empty for what MLflow
    cannot undo, and for the tag by which a registry remembers that a rollback grant was used.

    Args:
        model_name: the model's name in MLflow now.
        version: of the version that a row's change is about; None where it is the model.
        before: what a violation holds: of an alias the version that it named, None for none; of a
            row what is governed of it, None for a tag that was not there.
    """
    if event in _ALIASES:
        if before is None:
            return (RegistryChange("delete_registered_model_alias", name=model_name, alias=alias),)
        return (
            RegistryChange(
                "set_registered_model_alias",
                name=model_name,
                alias=alias,
                version=str(before["version"]),
            ),
        )
    before = before or {}
    if event == ChangeKind.MODEL_RENAMED:
        return (
            RegistryChange(
                "rename_registered_model", name=model_name, new_name=str(before["name"])
            ),
        )
    if event not in ROW_CHANGES:
        return ()
    number = "" if version is None else str(version)
    changes = []
    if "stage" in before:
        changes.append(
            RegistryChange(
                "transition_model_version_stage",
                name=model_name,
                version=number,
                stage=str(before["stage"] or "None"),
            )
        )
    of_what = "registered_model" if version is None else "model_version"
    for key, value in (before.get("tags") or {}).items():
        if value is None and key.startswith(ROLLBACK_TAG_PREFIX):
            continue  # without it the same rollback grant could be used again
        verb = "delete" if value is None else "set"
        changes.append(
            RegistryChange(
                f"{verb}_{of_what}_tag",
                name=model_name,
                version=number,
                tag_key=key,
                tag_value=value or "",
            )
        )
    return tuple(changes)
