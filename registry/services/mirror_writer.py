"""Writing what a walk found: one change at a time, each with its fact."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import structlog

from audits.domain.actor import MIRROR
from audits.models import Job
from registry.domain.identity import ModelIdentity, version_uri
from registry.domain.mirror import Change, ChangeKind
from registry.domain.violations import goes_around_the_store, governed_part, holds_again
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
from registry.services.rollback_uses import unexplained_part
from registry.services.violations import (
    FoundViolation,
    find_violation,
    open_of,
    record_violation,
    settle_restored,
)
from registry.services.work import order_job

logger = structlog.get_logger(__name__)

_ALIAS_KINDS = (ChangeKind.ALIAS_SET, ChangeKind.ALIAS_MOVED, ChangeKind.ALIAS_REMOVED)
_ROW_KINDS = (ChangeKind.MODEL_CHANGED, ChangeKind.VERSION_CHANGED, ChangeKind.MODEL_RENAMED)


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

    def load(self, changes: tuple[Change, ...]) -> None:
        """Read the models that these changes are about."""
        born = {change.identity.creation_timestamp_ms for change in changes}
        wanted = {change.identity for change in changes}
        for change in changes:
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
        judged = self._judged(change, known)
        is_unexplained = goes_around_the_store(judged) and not self._restores(
            judged, known, version
        )
        names = {change.model_name, str((change.before or {}).get("name", change.model_name))}
        # A governed model does not escape by being renamed to a name that nobody watches.
        is_violation = is_unexplained and any(map(self._watch.makes_violations, names))
        found = self._found(judged, known, version) if is_violation else None
        detail = found.detail if found else {"unexplained": True} if is_unexplained else None
        entry = state_registry_event(
            event=change.kind.value,
            registered_model=known,
            version=version,
            before=change.before,
            after=change.after,
            detail=detail,
            is_violation=is_violation,
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

    def _found(
        self, change: Change, known: RegisteredModel, version: ModelVersion | None
    ) -> FoundViolation:
        before, after = change.before, change.after
        if change.kind in (ChangeKind.MODEL_CHANGED, ChangeKind.VERSION_CHANGED):
            before, after = governed_part(before or {}, after or {})
        return find_violation(
            event=change.kind.value,
            registered_model=known,
            version=version,
            before=before,
            after=after,
        )

    def _restores(
        self, change: Change, known: RegisteredModel, version: ModelVersion | None
    ) -> bool:
        """Say whether a change of a row brings back what an open violation changed."""
        if change.kind not in _ROW_KINDS:
            return False
        subject = version or known
        return any(
            holds_again(violation.before or {}, subject.row)
            for violation in open_of(known, version=version).filter(event=change.kind.value)
        )
