"""Recording the lineage of a mirrored version."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audits.domain.actor import GATE, RECORDER
from audits.models import Job
from audits.services.evidence import claim_job, finish_job, releasing_on_failure
from lineage.domain.snapshot import VersionSnapshot
from lineage.errors import MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.services.collect import CollectedLineage, collect_lineage
from lineage.services.places import access_of, allowed_remotes
from lineage.services.record import record_lineage
from registry.domain.words import SCANNED_KINDS
from registry.models import ModelVersion, PolicyBinding
from registry.services.backlog import order_backlog
from registry.services.decisions import decide_open_promotions
from registry.services.policies import document_of
from registry.services.recomputation_orders import order_wanted_recomputation
from registry.services.set_audit_orders import order_wanted_set_audit
from registry.services.withdrawn_versions import catch_recorded
from registry.services.work import order_job


def snapshot_of(version: ModelVersion) -> VersionSnapshot:
    """Return what lineage needs to know of a mirrored version."""
    known = version.registered_model
    return VersionSnapshot(
        source_name=known.source_id,
        model_name=known.name,
        version=version.version,
        version_uri=version.uri,
        stream=known.uri,
        run_id=version.run_id or None,
        source_uri=version.source_uri or None,
        creation_timestamp_ms=version.creation_timestamp_ms,
        tags=version.tags,
    )


def record_version_lineage(
    *, job_id: UUID, client: MlflowClient, clock: Callable[[], datetime]
) -> ModelVersion | None:
    """Record a version's lineage; a bound policy's predictions audit is opened with it.

    What is missing is graded missing, with the reason. None where the job is another's.

    Raises:
        LineageError: MLflow did not answer; the job is queued again.
    """
    job = claim_job(job_id=job_id, now=clock())
    if job is None:
        return None
    version = ModelVersion.objects.select_related("registered_model__source").get(
        uri=job.version_uri
    )
    with releasing_on_failure(job, clock, passing=(MlflowUnavailable,)):
        collected = collect_lineage(
            client,
            snapshot_of(version),
            row=version.row,
            now=clock(),
            access=access_of(version.registered_model.source_id),
            remotes=allowed_remotes(version.registered_model.source_id),
        )
        _record(job, version, collected, now=clock())
    order_backlog(source=version.registered_model.source, now=clock())
    return version


@transaction.atomic(durable=True)
def _record(job: Job, version: ModelVersion, collected: CollectedLineage, *, now: datetime) -> None:
    record_lineage(collected=collected, actor=RECORDER, now=now)
    catch_recorded(version=version, now=now)
    if collected.files:
        ModelVersion.objects.filter(pk=version.pk).update(hashed_at=now)
    finish_job(job=job, now=now)
    binding = (
        PolicyBinding.objects.select_related("policy")
        .filter(registered_model=version.registered_model_id)
        .first()
    )
    if binding is not None:
        policy = document_of(binding.policy)
        if policy.reads_predictions:
            order_job(
                kind=Job.Kind.PREDICTIONS_AUDIT,
                version_uri=version.uri,
                requested_by=None,
                now=now,
            )
        order_wanted_set_audit(version=version, policy=policy, requested_by=None, now=now)
        if policy.evidence_kinds & SCANNED_KINDS:
            order_job(kind=Job.Kind.SCAN, version_uri=version.uri, requested_by=None, now=now)
        order_wanted_recomputation(
            version=version,
            policy=policy,
            requested_by=None,
            actor=GATE,
            now=now,
        )
    decide_open_promotions(registered_model=version.registered_model, now=now)
