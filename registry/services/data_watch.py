"""Every night the data of what is served is hashed again where it lies, before an auditor does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from audits.domain.actor import SCHEDULER
from audits.services.alarms import (
    REGISTRY_DATA_CHANGED,
    REGISTRY_DATA_UNREAD,
    clear_alarm,
    raise_alarm,
)
from lineage.models import DatasetWatch, LineageRecord
from lineage.services.dataset_watch import look_at_datasets, note_datasets
from lineage.services.places import access_of
from registry.domain.gate_result import plain_text
from registry.models import ModelVersion
from registry.services.aliases import is_named_by_governed_alias

# One night that cannot be read is an outage; after the second one somebody should look.
UNREAD_FOR: Final = timedelta(hours=36)
# The alarm names so many.
_NAMED: Final = 3


def served_versions() -> QuerySet[ModelVersion]:
    """Return the living versions that a governed alias names now."""
    return (
        ModelVersion.objects.filter(is_named_by_governed_alias(), gone_at__isnull=True)
        .select_related("registered_model")
        .order_by("pk")
    )


def watch_data(*, version: ModelVersion, clock: Callable[[], datetime]) -> None:
    """Hash the data that a version was trained on again; what changed is stated and alarmed."""
    record = (
        LineageRecord.objects.filter(version_uri=version.uri)
        .select_related("entry")
        .order_by("-entry_id")
        .first()
    )
    if record is None:
        return
    looked = look_at_datasets(record, access_of(version.registered_model.source_id))
    with transaction.atomic(durable=True):
        now = clock()
        note_datasets(record=record, looked=looked, actor=SCHEDULER, now=now)
        refresh_data_alarms(now=now)


def refresh_data_alarms(*, now: datetime) -> None:
    """Raise, change or clear the alarms about data that changed, or that nobody could read."""
    versions = {version.uri: version for version in served_versions()}
    rows = DatasetWatch.objects.filter(version_uri__in=versions).order_by("version_uri", "name")
    changed = rows.filter(state=DatasetWatch.State.CHANGED)
    # So too where nobody even tried, because no worker runs.
    unread = rows.exclude(state=DatasetWatch.State.CHANGED).filter(read_at__lt=now - UNREAD_FOR)
    if changed.exists():
        raise_alarm(
            REGISTRY_DATA_CHANGED,
            f"Data that a champion was trained on is not what was recorded: "
            f"{_named(changed, versions)}. The champion can not be trained again from it. Bring "
            "the recorded bytes back, or train and promote another version.",
            now=now,
        )
    else:
        clear_alarm(REGISTRY_DATA_CHANGED, now=now)
    if unread.exists():
        raise_alarm(
            REGISTRY_DATA_UNREAD,
            f"Data that a champion was trained on could not be read for two nights: "
            f"{_named(unread, versions)}. Whether it changed is not known. See that the worker of "
            "the queue recompute has the credentials that its place names, and that it answers.",
            now=now,
        )
    else:
        clear_alarm(REGISTRY_DATA_UNREAD, now=now)


def _named(rows: Iterable[DatasetWatch], versions: dict[str, ModelVersion]) -> str:
    found = list(rows)
    named = "; ".join(_words(row, versions[row.version_uri]) for row in found[:_NAMED])
    return f"{named}; and more" if len(found) > _NAMED else named


def _words(row: DatasetWatch, version: ModelVersion) -> str:
    model = version.registered_model.name
    why = row.reason.rstrip(".") or "nobody looked"
    return plain_text(f"{row.name} of {model} version {version.version} ({why})")
