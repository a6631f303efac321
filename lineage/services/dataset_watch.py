"""Hashing the data of a version again where it lies: what changed in place is a fact in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from django.db import transaction

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import append_statement, lock_stream, predicate_type
from lineage.domain.redaction import bounded
from lineage.models import DatasetWatch, LineageRecord
from lineage.services.rereading import MAX_REREAD
from muniment.attest.digest import Digest
from muniment.datasets import (
    Access,
    DatasetChanged,
    DatasetError,
    DatasetMissing,
    DatasetReference,
    digest_dataset,
)
from muniment.lineage_file import LineageFileInvalid, read_mapping

_NOT_ALLOWED: Final = "dataset.not_allowed"
_MAX_REASON: Final = DatasetWatch._meta.get_field("reason").max_length or 0


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking at one dataset came to.

    Attributes:
        state: of `DatasetWatch`.
        found: the digest that it has now; empty where it has none.
        reason: why it is not as recorded, or could not be read; empty where it holds.
    """

    reference: DatasetReference
    state: str
    found: str = ""
    reason: str = ""


def look_at_datasets(record: LineageRecord, access: Access) -> list[Looked]:
    """Hash the datasets that a record names, where they lie; keep nothing.

    Left out is what lies in no place that an admin allowed, what a commit holds, and what was a
    table in memory: nobody can say anything of their bytes here.
    """
    found = []
    for reference in _watched(record):
        looked = _look(reference, access)
        if looked is not None:
            found.append(looked)
    return found


@transaction.atomic
def note_datasets(
    *, record: LineageRecord, looked: Sequence[Looked], actor: Actor, now: datetime
) -> bool:
    """Keep what was seen; state what changed, and what is back. Say whether anything was stated.

    What is known is not stated again. Datasets that are no longer looked at are forgotten.
    """
    lock_stream(record.stream)
    known = {
        (row.role, row.name): row
        for row in DatasetWatch.objects.filter(version_uri=record.version_uri)
    }
    stated = False
    for one in looked:
        key = (one.reference.role, one.reference.name)
        stated |= _note(record, one, known.pop(key, None), actor=actor, now=now)
    DatasetWatch.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
    return stated


def _watched(record: LineageRecord) -> Iterator[DatasetReference]:
    try:
        capture = read_mapping(record.facts.get("capture"))
    except LineageFileInvalid:
        return
    lying = {
        (one.role, one.name): one
        for one in capture.datasets
        if one.kind != "table" and "git_path" not in one.details
    }
    yield from islice(lying.values(), MAX_REREAD)


def _look(reference: DatasetReference, access: Access) -> Looked | None:
    state = DatasetWatch.State
    try:
        found = digest_dataset(reference, access)
    except (DatasetChanged, DatasetMissing) as error:
        return Looked(reference, state.CHANGED, reason=bounded(error.message, _MAX_REASON))
    except DatasetError as error:
        if error.code == _NOT_ALLOWED:
            return None
        return Looked(reference, state.UNREAD, reason=bounded(error.message, _MAX_REASON))
    if found == reference.digest:
        return Looked(reference, state.HELD, str(found))
    return Looked(reference, state.CHANGED, str(found), f"its bytes have the digest {found} now")


def _note(
    record: LineageRecord,
    looked: Looked,
    known: DatasetWatch | None,
    *,
    actor: Actor,
    now: datetime,
) -> bool:
    reference = looked.reference
    if known is not None and known.recorded != str(reference.digest):
        known.delete()
        known = None
    row = known or DatasetWatch(
        version_uri=record.version_uri,
        role=reference.role,
        name=reference.name,
        recorded=str(reference.digest),
        read_at=now,
    )
    was = (known.state, known.found) if known else (DatasetWatch.State.HELD, row.recorded)
    row.looked_at = now
    if looked.state == DatasetWatch.State.UNREAD:
        if row.state != DatasetWatch.State.CHANGED:
            row.state, row.found, row.reason = looked.state, "", looked.reason
        row.save()
        return False
    row.read_at = now
    row.state, row.found, row.reason = looked.state, looked.found, looked.reason
    row.save()
    is_changed = looked.state == DatasetWatch.State.CHANGED
    was_changed = was[0] == DatasetWatch.State.CHANGED
    if is_changed and (not was_changed or was[1] != looked.found):
        _state(Event.DATASET_CHANGED, record, looked, actor=actor, now=now)
        return True
    if was_changed and not is_changed:
        _state(Event.DATASET_RESTORED, record, looked, actor=actor, now=now)
        return True
    return False


def _state(
    event: Event, record: LineageRecord, looked: Looked, *, actor: Actor, now: datetime
) -> None:
    reference = looked.reference
    append_statement(
        event=event,
        predicate_type=predicate_type("registry-event"),
        subject_name=record.version_uri,
        subject_digest=Digest.parse(record.subject_digest),
        predicate={
            "before": {"digest": str(reference.digest)},
            "after": {"digest": looked.found} if looked.found else None,
            "violation": False,
            "detail": {
                "role": reference.role,
                "name": reference.name,
                "kind": reference.kind,
                "record": record.entry.sha256,
            },
        },
        stream=record.stream,
        actor=actor,
        now=now,
    )
