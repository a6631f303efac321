"""Signed reports: ordered by anyone who may read, rendered by the worker, hashed into the log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.domain.signature import SignatureMethod
from audits.domain.actor import Actor
from audits.domain.dossier import Dossier
from audits.domain.log import Event
from audits.models import Disclosure, Job, LogEntry, Report
from audits.selectors import (
    ProvenEntry,
    decoded_statement,
    latest_checkpoint,
    latest_report,
    prove_entries,
    stream_entries,
)
from audits.services.evidence import claim_job, finish_job, releasing_on_failure
from audits.services.log import append_statement, predicate_type
from muniment.attest.bundle import LoggedEntry
from muniment.attest.digest import canonical_json
from muniment.attest.passkey import MEMBER
from registry.errors import RegistryError
from registry.models import Approval, ModelVersion
from registry.services.dossier import build_dossier
from registry.services.execution import Progress
from registry.services.stating import subject_digest_of
from registry.services.work import order_job

if TYPE_CHECKING:
    from audits.report.attachment import PersonDisclosure, TextDisclosure


class ReportFailed(RegistryError):
    """The report could not be made."""

    code = "report_failed"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


def request_report(*, version: ModelVersion, actor: Actor, now: datetime) -> Job:
    """Return a job whose report is current: the last one, where nothing was said since.

    Raises:
        RoleRequired: the actor holds no role.
    """
    actor.require_role("download a report", "auditor", "reviewer", "engineer", "admin")
    report = latest_report(version.uri)
    if report is not None and _is_current(report, version):
        done = Job.objects.filter(report=report).first()
        if done is not None:
            return done
    return order_job(
        kind=Job.Kind.REPORT, version_uri=version.uri, requested_by=UUID(actor.id), now=now
    )


def _is_current(report: Report, version: ModelVersion) -> bool:
    """Say whether a report carries everything said about the model, other reports aside.

    Not by its own place in the log: what was said while it was being rendered stands before it,
    and not in it.
    """
    said = stream_entries(version.registered_model.uri).exclude(event=Event.REPORT_ISSUED)
    return not said.exclude(leaf__leaf_index__lt=report.tree_size).exists()


def find_report(job: Job) -> Report | None:
    """Return what a job has made; None while it is still at work.

    Raises:
        ReportFailed: it gave up.
    """
    job = Job.objects.select_related("report").get(pk=job.pk)
    if job.status == Job.Status.FAILED:
        raise ReportFailed(f"The report could not be made: {job.error}")
    return job.report if job.status == Job.Status.DONE else None


def issue_report(*, job_id: UUID, clock: Callable[[], datetime]) -> Progress:
    """Render, sign and log a report, once everything that it says stands under a checkpoint.

    `waiting` while the log's newest statements are still pending.
    """
    job = claim_job(job_id=job_id, now=clock())
    if job is None:
        return Progress.ENDED
    version = ModelVersion.objects.select_related("registered_model").get(uri=job.version_uri)
    with releasing_on_failure(job, clock):
        contents = _gather(version, job, now=clock())
        if contents is None:
            Job.objects.filter(pk=job.pk).update(status=Job.Status.QUEUED, updated_at=clock())
            return Progress.WAITING
        _record(job, version, _render(contents), contents.dossier, now=clock())
    return Progress.ENDED


@dataclass(frozen=True, slots=True)
class _Contents:
    """What goes into one report, all of it from one state of the database."""

    dossier: Dossier
    entries: list[ProvenEntry]
    disclosures: list[PersonDisclosure | TextDisclosure]


@transaction.atomic(durable=True)
def _gather(version: ModelVersion, job: Job, *, now: datetime) -> _Contents | None:
    """Read everything at one instant; None while some of it stands under no checkpoint yet."""
    with connection.cursor() as cursor:
        # What is said while we read belongs into the next report, not half into this one.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    entries = [
        *LogEntry.objects.filter(event=Event.KEY_ENROLLED).order_by("pk"),
        *_credential_entries(version),
        *stream_entries(version.registered_model.uri),
    ]
    checkpoint = latest_checkpoint()
    proven = prove_entries(entries, checkpoint) if checkpoint else []
    if checkpoint is None or len(proven) < len(entries):
        return None
    dossier = build_dossier(
        version=version,
        leaves={item.entry.pk: item.leaf_index for item in proven},
        checkpoint=bytes(checkpoint.note),
        requested_by=job.requested_by,
        now=now,
    )
    return _Contents(dossier=dossier, entries=proven, disclosures=_disclosures(proven))


def _credential_entries(version: ModelVersion) -> QuerySet[LogEntry]:
    """Find all that the log says of the credentials of whoever signed with a passkey here."""
    model = version.registered_model
    reviews = Approval.objects.filter(
        promotion__version__registered_model=model, signature=SignatureMethod.PASSKEY
    )
    signers = {str(person) for person in reviews.values_list("person_id", flat=True)}
    # Who has no passkey signed nothing with one: the others' statements are few, and read.
    holders = LogEntry.objects.filter(event=Event.CREDENTIAL_ENROLLED).values("actor_id")
    stated = stream_entries(model.uri).filter(actor_kind="person", actor_id__in=holders)
    signers |= {
        entry.actor_id
        for entry in stated.exclude(actor_id__in=signers)
        if MEMBER in decoded_statement(entry).predicate
    }
    enrolled = LogEntry.objects.filter(event=Event.CREDENTIAL_ENROLLED, actor_id__in=signers)
    names = list(enrolled.values_list("subject_name", flat=True))
    return LogEntry.objects.filter(
        event__startswith="credential.", subject_name__in=names
    ).order_by("pk")


def _render(contents: _Contents) -> bytes:
    from audits.report.attachment import build_evidence
    from audits.report.pdf import render_report
    from audits.report.signing import sign_report

    dossier = contents.dossier
    evidence_json = build_evidence(
        dossier,
        entries=[
            LoggedEntry(item.leaf_index, bytes(item.entry.envelope), item.proof.decode())
            for item in contents.entries
        ],
        disclosures=contents.disclosures,
    )
    return sign_report(
        render_report(dossier, evidence_json, generated_at=dossier.generated_at),
        key_pem_path=settings.PDF_KEY_FILE,
        certificate_pem_path=settings.PDF_CERT_FILE,
        reason=f"Report on {dossier.model_name} version {dossier.version}",
        at=dossier.generated_at,
    )


def _disclosures(proven: list[ProvenEntry]) -> list[PersonDisclosure | TextDisclosure]:
    """Open the commitments that the carried statements make, as far as nobody was erased."""
    from audits.report.attachment import PersonDisclosure, TextDisclosure

    commitments = set()
    for item in proven:
        predicate = decoded_statement(item.entry).predicate
        commitments.add(predicate.get("reason_commitment"))
        commitments.add(predicate.get("person", {}).get("commitment"))
        if item.entry.event.startswith(("waiver.", "finding.")):
            detail = predicate["detail"]
            commitments.add(detail.get("reason_commitment"))
            commitments.add(detail.get("person", {}).get("commitment"))
    opened: list[PersonDisclosure | TextDisclosure] = []
    for row in Disclosure.objects.filter(commitment__in=commitments - {None}).order_by("pk"):
        salt = bytes(row.salt).hex()
        if row.printed_name:
            opened.append(PersonDisclosure(row.commitment, salt, row.printed_name, row.role))
        else:
            opened.append(TextDisclosure(row.commitment, salt, row.text))
    return opened


@transaction.atomic(durable=True)
def _record(
    job: Job,
    version: ModelVersion,
    pdf: bytes,
    dossier: Dossier,
    *,
    now: datetime,
) -> None:
    report_id = uuid4()
    sha256 = hashlib.sha256(pdf).hexdigest()
    dossier_sha256 = hashlib.sha256(canonical_json(dossier.to_mapping())).hexdigest()
    tree_size = dossier.log.tree_size if dossier.log else 0
    entry = append_statement(
        event=Event.REPORT_ISSUED,
        predicate_type=predicate_type("report"),
        subject_name=version.uri,
        subject_digest=subject_digest_of(version),
        predicate={
            "report_id": str(report_id),
            "sha256": sha256,
            "dossier_sha256": dossier_sha256,
            "tree_size": tree_size,
        },
        stream=version.registered_model.uri,
        actor=Actor(kind="person", id=str(job.requested_by)),
        now=now,
    )
    job.report = Report.objects.create(
        id=report_id,
        version_uri=version.uri,
        pdf=pdf,
        sha256=sha256,
        dossier_sha256=dossier_sha256,
        tree_size=tree_size,
        requested_by=job.requested_by,
        issued_at=now,
        entry=entry,
    )
    finish_job(job=job, now=now)
