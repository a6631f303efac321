"""Compare the mirror with a walk: `plan_changes(current, walked) -> MirrorPlan`.

A walk is two list calls, and MLflow may change between them. Rows that contradict each other are
reported as torn and left for the next walk; what cannot come of that is a change. Of a name whose
versions were not all read, no version is concluded to be gone. Neither is a reason to doubt what
the walk says of others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from registry.domain.identity import ModelIdentity
from registry.domain.mirror import (
    Change,
    ChangeKind,
    MirrorPlan,
    ModelRow,
    ModelState,
    Torn,
    VersionRow,
    Walk,
    row_hash,
    row_mapping,
)
from registry.domain.mirror_torn import Doubt, untorn_models, untorn_versions, versions_by_model

_NO_MODEL = ModelState(name="", row={}, row_hash="", gone=True)


def plan_changes(
    current: Mapping[ModelIdentity, ModelState],
    walked: Walk,
    listed_before: Mapping[str, int] | None = None,
) -> MirrorPlan:
    """Plan the changes that bring the mirror to what a walk saw.

    Law: a walk of what the mirror already holds plans nothing. Changes come model by model, a
    model before its versions, versions before the aliases that name them, and what is gone last.

    Args:
        listed_before: models, by name, with the creation times that the walk before this one saw
            them with; those that the mirror holds need not be named.
    """
    torn: list[Torn] = []
    models = untorn_models(walked.models, torn)
    there = {*(listed_before or {}).items()} | {
        (state.name, identity.creation_timestamp_ms)
        for identity, state in current.items()
        if not state.gone
    }
    settled = {name for name, row in models.items() if (name, row.creation_timestamp_ms) in there}
    versions = versions_by_model(models, walked.versions, settled, torn)
    identities = _identify(current, models, torn)
    models = {name: row for name, row in models.items() if name in identities}
    known = {name: current.get(identity, _NO_MODEL) for name, identity in identities.items()}
    for name, state in known.items():
        if name not in settled:
            versions[name] = untorn_versions(state, versions[name], torn)
    plans = {
        name: _ModelPlan(
            *(identities[name], known[name], row, versions[name]),
            torn=torn,
            is_unread=name in walked.unread,
        )
        for name, row in models.items()
    }
    changes = [change for plan in plans.values() for change in plan.appearing()]
    # Aliases last, so that everything torn is known before anything is said to be gone.
    changes += [change for plan in plans.values() for change in plan.aliases()]
    doubt = Doubt(torn, walked.versions)
    changes += [change for plan in plans.values() for change in plan.vanishing(doubt)]
    seen = set(identities.values())
    changes += [
        change
        for identity, state in current.items()
        if identity not in seen and not state.gone and not doubt.about_model(state)
        for change in _model_gone(identity, state)
    ]
    return MirrorPlan(changes=tuple(changes), torn=tuple(torn))


def _identify(
    current: Mapping[ModelIdentity, ModelState],
    models: Mapping[str, ModelRow],
    torn: list[Torn],
) -> dict[str, ModelIdentity]:
    """Say which known model each walked one is, or give it the identity of a new one."""
    by_time: dict[int, dict[str, ModelIdentity]] = defaultdict(dict)
    # Gone ones first, so that a live model wins a name that a gone one also had.
    for identity, state in sorted(current.items(), key=lambda entry: (not entry[1].gone, entry[0])):
        by_time[identity.creation_timestamp_ms][state.name] = identity
    found: dict[str, ModelIdentity] = {}
    unknown: dict[int, list[str]] = defaultdict(list)
    for name, row in models.items():
        known = by_time[row.creation_timestamp_ms].get(name)
        if known is None:
            unknown[row.creation_timestamp_ms].append(name)
        else:
            found[name] = known
    taken = set(found.values())
    for timestamp, names in unknown.items():
        left = [
            identity
            for identity in by_time[timestamp].values()
            if identity not in taken and not current[identity].gone
        ]
        # One left on each side is a rename. More than that, made in the same millisecond, cannot
        # be told apart, and a wrong guess would hand one model the other's history.
        if len(left) == 1 and len(names) == 1:
            found[names[0]] = left[0]
            continue
        for name in names:
            identity = ModelIdentity(timestamp, name)
            if identity in taken:
                torn.append(Torn(name, None, "Two models of this walk have one identity."))
            else:
                found[name] = identity
    return found


class _ModelPlan:
    """The changes of one walked model, in three parts that the plan puts in order."""

    def __init__(
        self,
        identity: ModelIdentity,
        state: ModelState,
        row: ModelRow,
        versions: Mapping[int, VersionRow],
        *,
        torn: list[Torn],
        is_unread: bool,
    ) -> None:
        self._identity = identity
        self._state = state
        self._row = row
        self._versions = versions
        self._torn = torn
        self._is_unread = is_unread

    def appearing(self) -> Iterator[Change]:
        yield from self._model()
        for number in sorted(self._versions):
            yield from self._version(number, self._versions[number])

    def aliases(self) -> Iterator[Change]:
        known = {} if self._state.gone else self._state.aliases
        there = {number for number, state in self._state.versions.items() if not state.gone}
        for alias in sorted({*known, *self._row.aliases}):
            before, after = known.get(alias), self._row.aliases.get(alias)
            if before == after:
                continue
            if after is not None and after not in there and after not in self._versions:
                if self._is_unread:
                    continue
                reason = f"The alias {alias} names a version that the walk does not list."
                self._torn.append(Torn(self._row.name, after, reason))
                continue
            yield self._alias(alias, before, after)

    def vanishing(self, doubt: Doubt) -> Iterator[Change]:
        if self._is_unread or doubt.names & {self._state.name, self._row.name}:
            return
        for number, state in sorted(self._state.versions.items()):
            if state.gone or number in self._versions:
                continue
            if not doubt.about_version(number, state):
                yield Change(
                    kind=ChangeKind.VERSION_GONE,
                    identity=self._identity,
                    model_name=self._row.name,
                    version=number,
                    before=dict(state.row),
                )

    def _model(self) -> Iterator[Change]:
        after = row_mapping(self._row)
        after_hash = row_hash(self._row)
        state = self._state
        if state.gone:
            # Also a model that was gone and is back: its history goes on.
            yield self._change(
                ChangeKind.MODEL_APPEARED,
                dict(state.row) or None,
                after,
                after,
                after_hash,
            )
            return
        if state.row_hash == after_hash:
            return
        before_part, after_part = _differing(state.row, after)
        renamed = "name" in after_part
        if renamed:
            yield self._change(
                ChangeKind.MODEL_RENAMED,
                {"name": before_part.pop("name", None)},
                {"name": after_part.pop("name")},
                after,
                after_hash,
            )
        if before_part or after_part:
            yield self._change(ChangeKind.MODEL_CHANGED, before_part, after_part, after, after_hash)

    def _version(self, number: int, row: VersionRow) -> Iterator[Change]:
        after, after_hash = row_mapping(row), row_hash(row)
        state = self._state.versions.get(number)
        if state is None or state.gone:
            before = None if state is None else dict(state.row)
            yield self._change(
                ChangeKind.VERSION_APPEARED,
                before,
                after,
                after,
                after_hash,
                version=number,
            )
        elif state.row_hash != after_hash:
            yield self._change(
                ChangeKind.VERSION_CHANGED,
                *_differing(state.row, after),
                after,
                after_hash,
                version=number,
            )

    def _change(
        self,
        kind: ChangeKind,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any],
        row: Mapping[str, Any],
        row_hash: str,
        *,
        version: int | None = None,
    ) -> Change:
        return Change(
            kind=kind,
            identity=self._identity,
            model_name=self._row.name,
            version=version,
            before=before,
            after=after,
            row=row,
            row_hash=row_hash,
        )

    def _alias(self, alias: str, before: int | None, after: int | None) -> Change:
        return _alias_change(self._identity, self._row.name, alias, before, after)


def _alias_change(
    identity: ModelIdentity,
    name: str,
    alias: str,
    before: int | None,
    after: int | None,
) -> Change:
    if before is None:
        kind = ChangeKind.ALIAS_SET
    elif after is None:
        kind = ChangeKind.ALIAS_REMOVED
    else:
        kind = ChangeKind.ALIAS_MOVED
    return Change(
        kind=kind,
        identity=identity,
        model_name=name,
        version=before if after is None else after,
        alias=alias,
        before=None if before is None else {"version": before},
        after=None if after is None else {"version": after},
    )


def _model_gone(identity: ModelIdentity, state: ModelState) -> Iterator[Change]:
    for alias, version in sorted(state.aliases.items()):
        yield _alias_change(identity, state.name, alias, version, None)
    for number, version_state in sorted(state.versions.items()):
        if not version_state.gone:
            yield Change(
                kind=ChangeKind.VERSION_GONE,
                identity=identity,
                model_name=state.name,
                version=number,
                before=dict(version_state.row),
            )
    yield Change(
        kind=ChangeKind.MODEL_GONE,
        identity=identity,
        model_name=state.name,
        before=dict(state.row),
    )


def _differing(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return (
        {key: before[key] for key in keys if key in before},
        {key: after[key] for key in keys if key in after},
    )
