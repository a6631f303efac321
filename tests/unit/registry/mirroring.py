"""Walks and mirrors in short, and what storing a plan makes of a mirror."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from registry.domain.identity import ModelIdentity
from registry.domain.mirror import (
    Change,
    MirrorPlan,
    ModelRow,
    ModelState,
    VersionRow,
    VersionState,
    Walk,
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
