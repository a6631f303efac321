"""Writing what a walk found: one change at a time, each with its fact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from audits.domain.actor import MIRROR
from audits.models import Job
from audits.services.log import lock_stream
from registry.domain.identity import ModelIdentity, version_uri
from registry.domain.mirror import Change, ChangeKind
from registry.domain.violations import judged_part, part_not_restored
from registry.models import (
    AliasChange,
    ModelAlias,
    ModelVersion,
    RegisteredModel,
    RegistrySource,
)
from registry.services.aliases import record_alias
from registry.services.facts import state_registry_event
from registry.services.modes import Watch
from registry.services.prompts import is_prompt_model
from registry.services.rollback_uses import unexplained_part
from registry.services.violations import (
    find_violation,
    names_answered_for,
    open_of,
    record_violation,
    settle_restored,
)
from registry.services.work import order_job

logger = structlog.get_logger(__name__)

_ALIAS_KINDS = (ChangeKind.ALIAS_SET, ChangeKind.ALIAS_MOVED, ChangeKind.ALIAS_REMOVED)
# A row that appears as nobody may register it is a violation like one that was changed.
_VIOLATION_OF = {
    ChangeKind.MODEL_APPEARED: ChangeKind.MODEL_CHANGED,
    ChangeKind.VERSION_APPEARED: ChangeKind.VERSION_CHANGED,
}
_RESTORABLE = (ChangeKind.MODEL_CHANGED, ChangeKind.VERSION_CHANGED, ChangeKind.MODEL_RENAMED)


class ChangeWriter:
    """Writes planned changes of one source; the caller's transaction is theirs.

    Args:
        started_at: when the walk began; an alias that moved since is not moved back by it.
    """

    def __init__(
        self, source: RegistrySource, watch: Watch, *, started_at: datetime, now: datetime
    ) -> None:
        self._source = source
        self._watch = watch
        self._started_at = started_at
        self._now = now
        self._models: dict[ModelIdentity, RegisteredModel] = {}
        self._touched: set[ModelIdentity] = set()
        self._moves: defaultdict[ModelIdentity, dict[str, int | None]] = defaultdict(dict)
        self._rows: defaultdict[ModelIdentity, list[Mapping[str, Any]]] = defaultdict(list)

    def load(self, changes: tuple[Change, ...]) -> None:
        """Read the models that these changes are about."""
        born = {change.identity.creation_timestamp_ms for change in changes}
        wanted = {change.identity for change in changes}
        for change in changes:
            if change.version is not None and change.row is not None:
                self._rows[change.identity].append(change.row)
            if change.kind in _ALIAS_KINDS:
                number = (change.after or {}).get("version")
                self._moves[change.identity][change.alias or ""] = number
        for known in RegisteredModel.objects.filter(
            source=self._source, creation_timestamp_ms__in=born
        ):
            if known.identity in wanted:
                self._models[known.identity] = known

    def free_names(self, leaving: frozenset[ModelIdentity]) -> None:
        """Free the names of models that give them up in this walk.

        A name belongs to one living model, and another may take it in the very same walk.
        """
        RegisteredModel.objects.filter(
            pk__in=[known.pk for identity, known in self._models.items() if identity in leaving]
        ).update(gone_at=self._now)

    def settle(self) -> list[RegisteredModel]:
        """Close the violations that are undone; return the models that something was written of."""
        touched = [self._models[identity] for identity in sorted(self._touched)]
        for known in touched:
            settle_restored(registered_model=known, now=self._now)
        return touched

    def write(self, change: Change) -> None:
        """Write one change. A model's own come before its versions', and those before aliases."""
        self._touched.add(change.identity)
        if change.kind in _ALIAS_KINDS:
            self._alias(change)
        elif change.version is None:
            self._registered_model(change)
        else:
            self._version(change)

    def _registered_model(self, change: Change) -> None:
        known = self._models.get(change.identity)
        if known is None:
            known = RegisteredModel(
                source=self._source,
                creation_timestamp_ms=change.identity.creation_timestamp_ms,
                first_seen_name=change.identity.first_seen_name,
                first_seen_at=self._now,
            )
            self._models[change.identity] = known
        known.name = change.model_name
        known.gone_at = self._now if change.kind is ChangeKind.MODEL_GONE else None
        if change.row is not None:
            known.row, known.row_hash = dict(change.row), change.row_hash or ""
        known.save()
        if change.kind is ChangeKind.MODEL_GONE:
            ModelAlias.objects.filter(registered_model=known).delete()
        self._state(change, known, None)

    def _version(self, change: Change) -> None:
        number = change.version or 0
        known = self._models[change.identity]
        version = ModelVersion.objects.filter(registered_model=known, version=number).first()
        is_new = version is None
        if version is None:
            version = ModelVersion(
                registered_model=known,
                version=number,
                uri=version_uri(self._source.name, known.identity, number),
                first_seen_at=self._now,
            )
        version.gone_at = self._now if change.kind is ChangeKind.VERSION_GONE else None
        if change.row is not None:
            version.show_row(change.row, change.row_hash or "")
        version.save()
        self._state(change, known, version)
        if is_new:
            order_job(
                kind=Job.Kind.LINEAGE, version_uri=version.uri, requested_by=None, now=self._now
            )

    def _alias(self, change: Change) -> None:
        known = self._models[change.identity]
        alias = change.alias or ""
        # Whoever executes a promotion of this model is waited for: what it did is then known.
        lock_stream(known.uri)
        moved_since = AliasChange.objects.filter(
            registered_model=known, alias=alias, at__gte=self._started_at
        )
        if moved_since.exists():
            return  # this walk is older than the mirror on this point: the next one tells
        number = (change.after or {}).get("version")
        record_alias(
            registered_model=known,
            alias=alias,
            version=(
                ModelVersion.objects.get(registered_model=known, version=number)
                if number is not None
                else None
            ),
            actor=MIRROR,
            now=self._now,
        )

    def _state(self, change: Change, known: RegisteredModel, version: ModelVersion | None) -> None:
        part = self._unexplained(change, known, version)
        found = None
        if part is not None and self._is_watched(change, known):
            found = find_violation(
                event=_VIOLATION_OF.get(change.kind, change.kind).value,
                registered_model=known,
                version=version,
                before=part[0] or None,
                after=part[1] or None,
            )
        detail = found.detail if found else {"unexplained": True} if part is not None else None
        entry = state_registry_event(
            event=change.kind.value,
            registered_model=known,
            version=version,
            before=change.before,
            after=change.after,
            detail=detail,
            is_violation=found is not None,
            actor=MIRROR,
            now=self._now,
        )
        if found is not None:
            record_violation(found=found, entry=entry, now=self._now)

    def _judged(self, change: Change, known: RegisteredModel) -> Change:
        """Return what of a change is judged: all that no use of a rollback grant explains."""
        return unexplained_part(
            change=change,
            registered_model=known,
            moves_to=self._moves[change.identity],
            walked_at=self._source.walked_at,
            now=self._now,
        )

    def _unexplained(
        self, change: Change, known: RegisteredModel, version: ModelVersion | None
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return what of a change the store would have refused and nothing explains."""
        seen = self._rows[change.identity]
        part = judged_part(self._judged(change, known), is_prompt=is_prompt_model(known, seen=seen))
        event = _VIOLATION_OF.get(change.kind, change.kind)
        if event not in _RESTORABLE:
            return part
        for violation in open_of(known, version=version).filter(event=event.value):
            # One field that is put back excuses none of the others.
            part = part and part_not_restored(*part, violation.before or {})
        return part

    def _is_watched(self, change: Change, known: RegisteredModel) -> bool:
        """Say whether a change is a violation under any name that the model had or has.

        A governed model does not escape by being renamed to a name that nobody watches.
        """
        before = str((change.before or {}).get("name", change.model_name))
        names = {change.model_name, before, *names_answered_for(known)}
        return any(map(self._watch.makes_violations, names))
