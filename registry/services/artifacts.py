"""Hashing a version's files again, and what it comes to where they are not what was recorded.

MLflow lets anyone replace or delete the files of a registered version, and so can whoever writes
to the bucket: nothing in the registry changes by that, so that only the bytes can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audits.domain.actor import RECORDER
from audits.models import LogEntry
from audits.selectors import decoded_statement
from audits.services.log import lock_stream
from lineage.artifacts import ArtifactsUnreadable, ArtifactTree
from lineage.mlflow import MlflowClient
from lineage.models import LineageRecord
from lineage.services.collect import artifacts_of_version
from registry.domain.violations import ARTIFACTS_CHANGED, ViolationStatus
from registry.models import ModelVersion, Violation
from registry.services.decisions import decide_open_promotions
from registry.services.facts import state_registry_event
from registry.services.lineage import snapshot_of
from registry.services.modes import watch_of
from registry.services.violations import (
    close_undone,
    find_violation,
    names_answered_for,
    record_violation,
    refresh_alarm,
)


def verify_artifacts(
    *, version: ModelVersion, client: MlflowClient, clock: Callable[[], datetime]
) -> str:
    """Hash a version's files again; return what is wrong with them in a sentence, "" for nothing.

    Files that differ from the lineage record are a fact in the log and, unless the model is only
    observed, a violation that stands until the recorded bytes are back. One that is known is not
    stated again.

    Raises:
        MlflowUnavailable: MLflow did not answer: nothing may be concluded from that.
        MlflowRefused: MLflow does not let us read.
    """
    record = (
        LineageRecord.objects.filter(version_uri=version.uri)
        .order_by("-entry_id")
        .values_list("subject_digest", flat=True)
        .first()
    )
    if record is None or not record.startswith("dirHash:"):
        return ""  # nothing was recorded that could have changed
    found = artifacts_of_version(client, snapshot_of(version))
    with transaction.atomic(durable=True):
        return _conclude(version, record, found, now=clock())


def _conclude(
    version: ModelVersion,
    recorded: str,
    found: ArtifactTree | ArtifactsUnreadable,
    *,
    now: datetime,
) -> str:
    known = version.registered_model
    lock_stream(known.uri)
    ModelVersion.objects.filter(pk=version.pk).update(hashed_at=now)
    open_rows = Violation.objects.filter(
        version=version,
        event=ARTIFACTS_CHANGED,
        status__in=[ViolationStatus.OPEN, ViolationStatus.ACCEPTED],
    ).select_related("registered_model", "version", "entry")
    if isinstance(found, ArtifactTree) and str(found.dir_hash) == recorded:
        restored = list(open_rows)
        for held in restored:
            close_undone(held, now=now)
        if restored:
            refresh_alarm(now=now)
            decide_open_promotions(registered_model=known, now=now)
        return ""
    after = _seen(found)
    sentence = (
        f"The artifacts changed after they were judged: {recorded} was recorded, "
        f"{after.get('subject_digest') or 'nothing readable'} is there now."
    )
    if any(held.after == after for held in open_rows):
        return sentence
    before = {"subject_digest": recorded}
    violation = None
    if any(map(watch_of(known.source_id).makes_violations, names_answered_for(known))):
        violation = find_violation(
            event=ARTIFACTS_CHANGED,
            registered_model=known,
            version=version,
            before=before,
            after=after,
        )
    elif _was_stated(version, after):
        return sentence
    entry = state_registry_event(
        event=ARTIFACTS_CHANGED,
        registered_model=known,
        version=version,
        before=before,
        after=after,
        detail=violation.detail if violation else {"unexplained": True},
        is_violation=violation is not None,
        actor=RECORDER,
        now=now,
    )
    if violation is not None:
        record_violation(found=violation, entry=entry, now=now)
        refresh_alarm(now=now)
        decide_open_promotions(registered_model=known, now=now)
    return sentence


def _was_stated(version: ModelVersion, after: Mapping[str, Any]) -> bool:
    last = LogEntry.objects.filter(subject_name=version.uri, event=ARTIFACTS_CHANGED).last()
    return last is not None and decoded_statement(last).predicate["after"] == after


def _seen(found: ArtifactTree | ArtifactsUnreadable) -> Mapping[str, Any]:
    if isinstance(found, ArtifactTree):
        return {"subject_digest": str(found.dir_hash)}
    return {"subject_digest": None, "fault": found.fault, "reason": found.reason[:600]}
