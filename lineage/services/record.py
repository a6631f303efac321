"""Recording a version's lineage: the statement in the log, the row that pages read, the graph."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audits.domain.actor import Actor
from audits.domain.log import Event
from audits.services.log import SLSA_PROVENANCE, append_statement
from lineage.models import LineageRecord
from lineage.services.collect import CollectedLineage
from lineage.services.graph import draw_record, hold_graph


@transaction.atomic
def record_lineage(*, collected: CollectedLineage, actor: Actor, now: datetime) -> LineageRecord:
    """Sign and store what was collected; a later record of the same version supersedes it.

    The subject is the digest of the artifact tree, so that an auditor who holds the files can
    find the record, and whoever changed them cannot.
    """
    hold_graph()
    snapshot = collected.snapshot
    entry = append_statement(
        event=Event.LINEAGE_RECORDED,
        predicate_type=SLSA_PROVENANCE,
        subject_name=snapshot.version_uri,
        subject_digest=collected.subject_digest,
        predicate=collected.predicate,
        stream=snapshot.stream,
        actor=actor,
        now=now,
    )
    record = LineageRecord.objects.create(
        version_uri=snapshot.version_uri,
        stream=snapshot.stream,
        subject_digest=str(collected.subject_digest),
        run_id=snapshot.run_id or "",
        legs={
            leg.name: {
                "grade": leg.grade.value,
                "reason": leg.reason,
                "digest": leg.digest,
                "what": dict(leg.what),
            }
            for leg in collected.legs
        },
        facts=dict(collected.facts),
        artifacts=dict(collected.files),
        recorded_at=now,
        entry=entry,
    )
    draw_record(record=record, model_name=snapshot.model_name)
    return record
