"""Which changes of the mirror went around the registry store, and whether they can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from registry.domain.mirror import Change, ChangeKind

PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
ARTIFACTS_CHANGED: Final = "artifacts.changed"
_GOVERNED_PREFIX: Final = "muniment."
_NEVER_BY_CLIENTS: Final = (
    ChangeKind.MODEL_GONE,
    ChangeKind.VERSION_GONE,
    ChangeKind.MODEL_RENAMED,
)
_CHANGED: Final = (ChangeKind.MODEL_CHANGED, ChangeKind.VERSION_CHANGED)
_ALIASES: Final = (ChangeKind.ALIAS_SET, ChangeKind.ALIAS_MOVED, ChangeKind.ALIAS_REMOVED)


class ViolationStatus(StrEnum):
    """Where a violation stands; only an open one alarms.

    `undone`: what it changed is again as it was. `accepted`: a person answers for it.
    `superseded`: a later change of the same thing took its place.
    """

    OPEN = "open"
    UNDONE = "undone"
    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"


def goes_around_the_store(change: Change) -> bool:
    """Say whether the store would have refused a change of a governed model; aliases aside.

    Deleting and renaming, another stage or source, and a governed tag set, changed or taken away.
    What has always been a prompt is MLflow's Prompt Registry's and is not governed.
    """
    before, after = change.before or {}, change.after or {}
    if change.kind in _NEVER_BY_CLIENTS:
        return not _is_prompt(before)
    if change.kind not in _CHANGED:
        return False
    return governed_part(before, after) != ({}, {})


def governed_part(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return of two states of a row only what is governed and differs.

    Stage and source as they stand; of the tags, each governed one that differs, None where it is
    not there. Either both parts have a key or none has.
    """
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for key in ("stage", "source"):
        if key in after and before.get(key) != after[key]:
            old[key], new[key] = before.get(key), after[key]
    tags, others = before.get("tags") or {}, after.get("tags") or {}
    odd = [
        key
        for key in sorted({*tags, *others})
        if is_governed_tag(key) and tags.get(key) != others.get(key)
    ]
    if odd:
        old["tags"] = {key: tags.get(key) for key in odd}
        new["tags"] = {key: others.get(key) for key in odd}
    return old, new


def holds_again(before: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Say whether a row is as the governed part of it was before a violation."""
    tags = row.get("tags") or {}
    return all(
        (
            all(tags.get(tag) == was for tag, was in value.items())
            if key == "tags"
            else row.get(key) == value
        )
        for key, value in before.items()
    )


def merged_before(
    first: Mapping[str, Any] | None, later: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return what to restore after two changes in a row: of each key what the first of them had."""
    if first is None or later is None:
        return None if first is None else dict(first)
    merged = {**later, **first}
    if "tags" in first and "tags" in later:
        merged["tags"] = {**later["tags"], **first["tags"]}
    return merged


def can_be_undone(event: str, before: Mapping[str, Any] | None) -> bool:
    """Say whether MLflow has an operation that brings back what a violation changed.

    Aliases, stages, tags and names, but not a version's source, nor what was deleted or
    overwritten.
    """
    if event in _ALIASES or event == ChangeKind.MODEL_RENAMED:
        return True
    return event in _CHANGED and "source" not in (before or {})


def is_governed_tag(key: str) -> bool:
    """Say whether only Muniment may set a tag of a registered model or version."""
    return key.startswith(_GOVERNED_PREFIX) or key == PROMPT_TAG


def _is_prompt(row: Mapping[str, Any]) -> bool:
    return (row.get("tags") or {}).get(PROMPT_TAG) == "true"
