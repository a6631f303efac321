"""Auditing a version's predictions: the job that makes bias and performance evidence."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from audits.domain.actor import PREDICTIONS_AUDIT
from audits.domain.criteria import BiasCriteria
from audits.services.evidence import (
    NewEvidence,
    claim_job,
    finish_job,
    record_evidence,
    release_job,
    releasing_on_failure,
)
from lineage.errors import ArtifactMissing, MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.models import LineageRecord
from muniment.attest.digest import sha256_file
from registry.models import ModelVersion, PolicyBinding
from registry.services.decisions import decide_open_promotions
from registry.services.policies import document_of

if TYPE_CHECKING:
    from audits.models import Job
    from audits.predictions.audit import EvidenceDraft

# The first that the run has; the file's own bytes then say what it is.
PREDICTIONS = (
    "predictions.parquet",
    "predictions.feather",
    "predictions.jsonl",
    "predictions.csv",
)
TOO_MANY_GROUPS = "There are too many groups for one entry of the log. Merge small groups."
MAX_PREDICTIONS_BYTES = 4 * 2**30


def audit_version(
    *, job_id: UUID, client: MlflowClient, clock: Callable[[], datetime]
) -> ModelVersion | None:
    """Audit the predictions that the team logged with a version's run, and record what was found.

    A file that is missing or malformed gives evidence with the conclusion `error`, never a pass.
    What may pass by itself (MLflow down) puts the job back. None where the job is another's.

    Raises:
        LineageError: MLflow did not answer; the job is queued again.
    """
    job = claim_job(job_id=job_id, now=clock())
    if job is None:
        return None
    version = ModelVersion.objects.select_related("registered_model").get(uri=job.version_uri)
    with releasing_on_failure(job, clock, passing=(MlflowUnavailable,)):
        found = list(_audit(version, client))
        _record(job, version, found, now=clock())
    return version


def bias_criteria(version: ModelVersion) -> BiasCriteria:
    """Return what the bound policy judges bias by, over all its attributes; else the shipped rule.

    The policy names the favourable outcome, the attributes and the reference; a request cannot.
    """
    binding = (
        PolicyBinding.objects.select_related("policy")
        .filter(registered_model=version.registered_model_id)
        .first()
    )
    criteria = document_of(binding.policy).audit_criteria if binding else None
    return criteria or BiasCriteria()


def _audit(version: ModelVersion, client: MlflowClient) -> Iterable[NewEvidence]:
    from audits.predictions.audit import audit_predictions

    criteria = bias_criteria(version)
    with tempfile.TemporaryDirectory(prefix="muniment-audit-") as folder:
        try:
            path = _download(version, client, Path(folder))
        except ArtifactMissing as error:
            yield from (_error(kind, criteria, str(error)) for kind in ("bias", "performance"))
            return
        inputs = [{"name": path.name, "digest": str(sha256_file(path))}]
        audit = audit_predictions(path, criteria)
        yield _evidence(audit.bias, inputs)
        yield _evidence(audit.performance, inputs)


def _download(version: ModelVersion, client: MlflowClient, folder: Path) -> Path:
    """Fetch the predictions that the run has.

    Raises:
        ArtifactMissing: there is no run, or none of the files; said of the one that is usual.
    """
    if not version.run_id:
        raise ArtifactMissing("The version names no run, so it has no predictions.")
    missing = []
    for name in PREDICTIONS:
        try:
            client.download_run_artifact(
                version.run_id, name, folder / name, max_bytes=MAX_PREDICTIONS_BYTES
            )
        except ArtifactMissing as error:
            missing.append(error)
        else:
            return folder / name
    raise missing[0]


def _evidence(draft: EvidenceDraft, inputs: list[dict[str, str]]) -> NewEvidence:
    return NewEvidence(
        kind=draft.kind,
        origin="reported",  # the predictions and the groups in them come from the team
        conclusion=draft.conclusion,
        reasons=draft.reasons,
        criteria=draft.criteria,
        measurements=draft.measurements,
        inputs=inputs,
    )


def _error(kind: str, criteria: BiasCriteria, reason: str) -> NewEvidence:
    return NewEvidence(
        kind=kind,
        origin="reported",
        conclusion="error",
        reasons=[reason],
        criteria=criteria.to_mapping() if kind == "bias" else {},
        measurements={},
        inputs=[],
    )


@transaction.atomic(durable=True)
def _record(job: Job, version: ModelVersion, found: list[NewEvidence], *, now: datetime) -> None:
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        release_job(job=job, error="The lineage record is not there yet.", now=now)
        return
    for evidence in found:
        record_evidence(
            version_uri=version.uri,
            stream=version.registered_model.uri,
            subject_digest=record.subject_digest,
            found=evidence,
            if_too_large=TOO_MANY_GROUPS,
            actor=PREDICTIONS_AUDIT,
            now=now,
        )
    finish_job(job=job, now=now)
    decide_open_promotions(registered_model=version.registered_model, now=now)
