"""The mirror: apply one walk of MLflow, each difference with its fact, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import structlog
from django.db import connection, transaction

from audits.domain.actor import MIRROR
from audits.models import Job
from registry.domain.identity import ModelIdentity, version_uri
from registry.domain.mirror import Change, ChangeKind, ModelState, VersionState, Walk
from registry.domain.mirror_plan import plan_changes
from registry.domain.violations import goes_around_the_store
from registry.models import (
    AliasChange,
    ModelAlias,
    ModelVersion,
    RegisteredModel,
    RegistrySource,
)
from registry.services.aliases import is_governed_model, record_alias
from registry.services.decisions import decide_open_promotions
from registry.services.facts import state_registry_event
from registry.services.walk import within_bounds
from registry.services.work import order_job

logger = structlog.get_logger(__name__)

_ALIAS_KINDS = (ChangeKind.ALIAS_SET, ChangeKind.ALIAS_MOVED, ChangeKind.ALIAS_REMOVED)
# What gives up a model's name, and what takes one.
_LEAVING = (ChangeKind.MODEL_GONE, ChangeKind.MODEL_RENAMED)
_TAKING = (ChangeKind.MODEL_APPEARED, ChangeKind.MODEL_RENAMED)
_LOCK = 0x6D6972726F72  # "mirror": one walk is applied at a time


def ensure_source(*, name: str, uri: str) -> RegistrySource:
    """Return the registry source of this name, pointing at `uri`."""
    source, _ = RegistrySource.objects.update_or_create(name=name, defaults={"uri": uri})
    return source


@transaction.atomic(durable=True)
def apply_walk(
    *, source: RegistrySource, walk: Walk, started_at: datetime, now: datetime
) -> tuple[Change, ...]:
    """Bring the mirror to what a walk saw; return the differences, each now a fact in the log.

    No difference: no write but the time of the walk. Rows that contradict each other are left for
    the next walk.

    Args:
        started_at: when the walk began; an alias that moved since is not moved back by it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    source = RegistrySource.objects.select_for_update().get(pk=source.pk)
    is_first = source.walked_at is None
    plan = plan_changes(_current(source), within_bounds(walk, source_name=source.name))
    for torn in plan.torn:
        logger.warning("mirror.torn", name=torn.model_name, version=torn.version, why=torn.reason)
    writer = _Writer(source, preexisting=is_first, started_at=started_at, now=now)
    changes = writer.make_way(plan.changes)
    for change in changes:
        writer.write(change)
    for touched in writer.touched():
        decide_open_promotions(registered_model=touched, now=now)
    RegistrySource.objects.filter(pk=source.pk).update(
        walked_at=started_at, failed_at=None, failure=""
    )
    return changes


def record_walk_failure(*, source: RegistrySource, failure: str, now: datetime) -> None:
    """Remember that MLflow could not be walked; pages show it with the mirror's age."""
    RegistrySource.objects.filter(pk=source.pk).update(failed_at=now, failure=failure[:2000])


def _current(source: RegistrySource) -> dict[ModelIdentity, ModelState]:
    aliases: dict[int, dict[str, int]] = defaultdict(dict)
    held = ModelAlias.objects.filter(registered_model__source=source)
    for model_id, alias, number in held.values_list(
        "registered_model_id", "alias", "version__version"
    ):
        aliases[model_id][alias] = number
    versions: dict[int, dict[int, VersionState]] = defaultdict(dict)
    for version in ModelVersion.objects.filter(registered_model__source=source):
        versions[version.registered_model_id][version.version] = VersionState(
            row=version.row, row_hash=version.row_hash, gone=version.gone_at is not None
        )
    return {
        known.identity: ModelState(
            name=known.name,
            row=known.row,
            row_hash=known.row_hash,
            aliases=aliases[known.pk],
            versions=versions[known.pk],
            gone=known.gone_at is not None,
        )
        for known in RegisteredModel.objects.filter(source=source)
    }


class _Writer:
    """Writes planned changes with their facts."""

    def __init__(
        self, source: RegistrySource, *, preexisting: bool, started_at: datetime, now: datetime
    ) -> None:
        self._source = source
        self._preexisting = preexisting
        self._started_at = started_at
        self._now = now
        self._touched: set[ModelIdentity] = set()
        self._models = {
            known.identity: known for known in RegisteredModel.objects.filter(source=source)
        }

    def make_way(self, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """Free the names that models give up in this walk; return the changes that can be written.

        A name belongs to one living model, and another may take it in the very walk that sees it
        free. Who takes a name whose holder a torn walk could not conclude to be gone has to wait.
        """
        waiting: set[ModelIdentity] = set()
        while True:
            leaving = {change.identity for change in changes if change.kind in _LEAVING} - waiting
            holders = {
                known.name: identity
                for identity, known in self._models.items()
                if known.gone_at is None and identity not in leaving
            }
            blocked = {
                change.identity
                for change in changes
                if change.kind in _TAKING
                and holders.get(change.model_name, change.identity) != change.identity
            }
            if blocked <= waiting:
                break
            waiting |= blocked
        for identity in waiting:
            logger.warning("mirror.name_still_held", name=identity.first_seen_name)
        RegisteredModel.objects.filter(
            pk__in=[known.pk for identity, known in self._models.items() if identity in leaving]
        ).update(gone_at=self._now)
        return tuple(change for change in changes if change.identity not in waiting)

    def touched(self) -> list[RegisteredModel]:
        """Return the models that something was written about."""
        return [self._models[identity] for identity in sorted(self._touched)]

    def write(self, change: Change) -> None:
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
            version.row, version.row_hash = dict(change.row), change.row_hash or ""
            version.creation_timestamp_ms = change.row["creation_timestamp_ms"]
            version.run_id = change.row["run_id"]
            version.source_uri = change.row["source"]
            version.stage = change.row["stage"]
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
            preexisting=self._preexisting,
            actor=MIRROR,
            now=self._now,
        )

    def _state(self, change: Change, known: RegisteredModel, version: ModelVersion | None) -> None:
        state_registry_event(
            event=change.kind.value,
            registered_model=known,
            version=version,
            before=change.before,
            after=change.after,
            detail={"preexisting": True} if self._preexisting else None,
            is_violation=is_governed_model(change.model_name) and goes_around_the_store(change),
            actor=MIRROR,
            now=self._now,
        )
