"""Which changes of the mirror went around the registry store, and whether they can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from muniment.governed import PROMPT_SOURCES, PROMPT_TAG, is_governed_tag, is_prompt_tag
from muniment.registrant import REGISTRANT_TAG
from registry.domain.mirror import Change, ChangeKind

ARTIFACTS_CHANGED: Final = "artifacts.changed"
_NEVER_BY_CLIENTS: Final = (
    ChangeKind.MODEL_GONE,
    ChangeKind.VERSION_GONE,
    ChangeKind.MODEL_RENAMED,
)
_CHANGED: Final = (ChangeKind.MODEL_CHANGED, ChangeKind.VERSION_CHANGED)
_APPEARED: Final = (ChangeKind.MODEL_APPEARED, ChangeKind.VERSION_APPEARED)
# Violations of a row, whatever it was before.
ROW_CHANGES: Final = (*_CHANGED, *_APPEARED)
_FIXED: Final = ("source", "creation_timestamp_ms")
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


def is_prompt(model_row: Mapping[str, Any], version_rows: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether a registered model is a prompt of MLflow's Prompt Registry.

    The tag alone proves nothing, because setting it hides a model: every version there ever was
    must be a prompt's, which has a placeholder for a source and so nothing that could be loaded.
    """
    return _is_tagged(model_row) and all(
        _is_tagged(row) and row.get("source") in PROMPT_SOURCES for row in version_rows
    )


def judged_part(change: Change, *, is_prompt: bool) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what of a change the store would have refused, before and after; None for nothing.

    Deleting and renaming; another stage or source; a governed tag set, changed or taken away; and
    all of that in a row that appears, where it differs from what it was when it vanished, or else
    from what anybody may register. What is a prompt may be deleted, and appear with its tag.

    Args:
        change: of a registered model or a version; aliases are judged elsewhere.
        is_prompt: as the function of that name says.
    """
    before, after = change.before or {}, change.after or {}
    if change.kind in _NEVER_BY_CLIENTS:
        return None if is_prompt else (dict(before), dict(after))
    if change.kind in _APPEARED:
        # What vanished and is back has what it was then for `before`.
        before = before or _as_registered(after, is_prompt=is_prompt)
    elif change.kind not in _CHANGED:
        return None
    old, new = governed_part(before, after)
    return (old, new) if old or new else None


def part_not_restored(
    old: Mapping[str, Any], new: Mapping[str, Any], wanted: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what of a change brings nothing back that a violation took away; None for nothing.

    Args:
        old, new: governed parts of a row, as `governed_part` gives them.
        wanted: what an open violation has to be restored to.
    """
    kept_old, kept_new = dict(old), dict(new)
    for key in new:
        if key != "tags" and key in wanted and new[key] == wanted[key]:
            del kept_old[key], kept_new[key]
    back = wanted.get("tags") or {}
    tags = {
        key: value
        for key, value in (new.get("tags") or {}).items()
        if not (key in back and back[key] == value)
    }
    if "tags" in new:
        if tags:
            kept_new["tags"] = tags
            kept_old["tags"] = {key: old["tags"][key] for key in tags}
        else:
            del kept_old["tags"], kept_new["tags"]
    return (kept_old, kept_new) if kept_new else None


def governed_part(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return of two states of a row only what is governed and differs.

    Stage and source as they stand, and when a version was made, which nothing in MLflow changes;
    of the tags, each governed one that differs, None where it is not there. Either both parts
    have a key or none has.
    """
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for key in ("stage", *_FIXED):
        if key in after and key in before and before[key] != after[key]:
            old[key], new[key] = before.get(key), after[key]
    tags, others = before.get("tags") or {}, after.get("tags") or {}
    odd = [
        key
        for key in sorted({*tags, *others})
        if _is_judged_tag(key) and tags.get(key) != others.get(key)
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

    Aliases, stages, tags and names, but not a version's source or time, nor what was deleted or
    overwritten.
    """
    if event in _ALIASES or event == ChangeKind.MODEL_RENAMED:
        return True
    return event in ROW_CHANGES and not any(key in (before or {}) for key in _FIXED)


def _is_judged_tag(key: str) -> bool:
    return is_governed_tag(key) or is_prompt_tag(key)


def _is_tagged(row: Mapping[str, Any]) -> bool:
    return (row.get("tags") or {}).get(PROMPT_TAG) == "true"


def _as_registered(after: Mapping[str, Any], *, is_prompt: bool) -> dict[str, Any]:
    """Return the row that anybody may register in place of this one."""
    row = dict(after)
    if row.get("stage") not in (None, "", "None"):
        row["stage"] = "None"
    row["tags"] = {
        key: value
        for key, value in (row.get("tags") or {}).items()
        # What the store writes there is a seal: one that a client wrote names nobody.
        if not _is_judged_tag(key) or key == (PROMPT_TAG if is_prompt else REGISTRANT_TAG)
    }
    return row
