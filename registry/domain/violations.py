"""Which changes of the mirror went around the registry store: the ones that it would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.domain.mirror import Change, ChangeKind

PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_GOVERNED_PREFIX: Final = "muniment."
_NEVER_BY_CLIENTS: Final = (
    ChangeKind.MODEL_GONE,
    ChangeKind.VERSION_GONE,
    ChangeKind.MODEL_RENAMED,
)
_CHANGED: Final = (ChangeKind.MODEL_CHANGED, ChangeKind.VERSION_CHANGED)


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
    if "stage" in after or "source" in after:
        return True
    tags, others = before.get("tags") or {}, after.get("tags") or {}
    return any(tags.get(key) != others.get(key) for key in {*tags, *others} if _is_governed(key))


def _is_governed(tag: str) -> bool:
    return tag.startswith(_GOVERNED_PREFIX) or tag == PROMPT_TAG


def _is_prompt(row: Mapping[str, Any]) -> bool:
    return (row.get("tags") or {}).get(PROMPT_TAG) == "true"
