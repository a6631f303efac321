"""Scanning a version: its files for what would run, its packages for known vulnerabilities."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audits.domain.actor import SCANNER
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
from lineage.services.originals import fetch_originals
from registry.domain.words import EvidenceKind
from registry.models import ModelVersion
from registry.services.decisions import decide_open_promotions
from registry.services.lineage import snapshot_of

if TYPE_CHECKING:
    from audits.models import Job

NO_DATABASE: Final = (
    "This installation has no database of vulnerabilities. An admin puts one on the recomputing "
    "worker and names it in MUNIMENT_VULNERABILITY_DATABASE."
)


def scan_version(
    *, job_id: UUID, client: MlflowClient, clock: Callable[[], datetime]
) -> ModelVersion | None:
    """Scan a version's files and look its packages up; both become evidence that is computed.

    What cannot be scanned gives evidence with the conclusion `error`, never a pass. None where the
    job is another's.

    Raises:
        LineageError: MLflow did not answer; the job is queued again.
        SandboxUnavailable: nothing here can hold hostile files; the job is queued again.
    """
    job = claim_job(job_id=job_id, now=clock())
    if job is None:
        return None
    version = ModelVersion.objects.select_related("registered_model").get(uri=job.version_uri)
    with releasing_on_failure(job, clock, passing=(MlflowUnavailable,)):
        record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
        if record is None:
            release_job(job=job, error="The lineage record is not there yet.", now=clock())
            return version
        found = [_files(version, record, client), _packages(record)]
        _record(job, version, record, found, now=clock())
    return version


def _files(version: ModelVersion, record: LineageRecord, client: MlflowClient) -> NewEvidence:
    from lineage.recompute.collecting import remove_folder
    from lineage.recompute.sandbox import Sandbox
    from lineage.recompute.scanning import FileScanner, ScanFailed
    from lineage.recompute.users import job_users

    kind = EvidenceKind.ARTIFACT_SAFETY
    inputs = [{"name": "artifacts", "digest": record.subject_digest}]
    if not record.artifacts:
        return _error(kind, "The version has no files that could be scanned.", inputs)
    scanner = FileScanner(
        Sandbox.find(
            settings.RECOMPUTE_SANDBOX,
            users=job_users(settings.RECOMPUTE_FIRST_USER),
            image=settings.RECOMPUTE_IMAGE,
        )
    )
    folder = Path(settings.RECOMPUTE_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="scan-", dir=folder))
    try:
        fetch_originals(client, snapshot_of(version), record.artifacts, work / "model")
        measurements = scanner.scan(work)
    except (ArtifactMissing, ScanFailed) as error:
        return _error(kind, str(error), inputs)
    finally:
        remove_folder(work)
    return _judged(kind, measurements, measurements["findings"], inputs, _told(measurements))


def _told(measurements: Mapping[str, Any]) -> str:
    unscanned = measurements["unscanned"]
    if unscanned:
        return f"{len(unscanned)} of {measurements['files']} files could not be scanned."
    return f"{measurements['files']} files were scanned; a gate's bounds decide."


def _packages(record: LineageRecord) -> NewEvidence:
    from lineage.vulnerability_database import DatabaseUnusable, look_up

    kind = EvidenceKind.VULNERABILITIES
    inputs = [{"name": "lineage record", "digest": f"sha256:{record.entry.sha256}"}]
    packages = record.facts.get("packages") or {}
    if not packages:
        return _error(kind, "The lineage record names no packages to look up.", inputs)
    if not settings.VULNERABILITY_DATABASE:
        return _error(kind, NO_DATABASE, inputs)
    try:
        found = look_up(Path(settings.VULNERABILITY_DATABASE), packages)
    except DatabaseUnusable as error:
        return _error(kind, str(error), inputs)
    matches = [one.as_mapping() for one in found.matches]
    return _judged(
        kind,
        {
            "database": {"digest": str(found.digest), "as_of": found.as_of},
            "packages": len(packages),
            "matches": matches,
        },
        matches,
        [*inputs, {"name": "vulnerability database", "digest": str(found.digest)}],
        f"{len(packages)} packages were looked up, {len(matches)} known vulnerabilities found; "
        "a gate's bounds decide.",
    )


def _judged(
    kind: EvidenceKind,
    measurements: Mapping[str, Any],
    findings: Iterable[Mapping[str, str]],
    inputs: list[dict[str, str]],
    reason: str,
) -> NewEvidence:
    """Conclude for people to read: a gate judges by its own bounds."""
    is_bad = any(one["severity"] in ("critical", "unknown") for one in findings)
    incomplete = "insufficient" if measurements.get("unscanned") else "pass"
    return NewEvidence(
        kind=kind.value,
        origin="computed",
        conclusion="fail" if is_bad else incomplete,
        reasons=[reason],
        criteria={},
        measurements=measurements,
        inputs=inputs,
    )


def _error(kind: EvidenceKind, reason: str, inputs: list[dict[str, str]]) -> NewEvidence:
    return NewEvidence(
        kind=kind.value,
        origin="computed",
        conclusion="error",
        reasons=[reason],
        criteria={},
        measurements={},
        inputs=inputs,
    )


@transaction.atomic(durable=True)
def _record(
    job: Job,
    version: ModelVersion,
    record: LineageRecord,
    found: Iterable[NewEvidence],
    *,
    now: datetime,
) -> None:
    for evidence in found:
        record_evidence(
            version_uri=version.uri,
            stream=version.registered_model.uri,
            subject_digest=record.subject_digest,
            found=evidence,
            if_too_large="More was found than one entry of the log can hold.",
            keeping=("files", "formats", "packages", "database"),
            actor=SCANNER,
            now=now,
        )
    finish_job(job=job, now=now)
    decide_open_promotions(registered_model=version.registered_model, now=now)
