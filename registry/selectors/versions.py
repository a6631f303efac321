"""One version: its lineage, its place in the log, its report."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db.models import QuerySet

from audits.models import Job, LogEntry, Report
from lineage.models import LineageRecord
from registry.models import ModelAlias, ModelVersion

LOG_LENGTH = 50


def aliases_of(version: ModelVersion) -> list[ModelAlias]:
    """Return the aliases that point at a version now."""
    return list(ModelAlias.objects.filter(version=version).order_by("alias"))


def lineage_of(version_uri: str) -> LineageRecord | None:
    """Return the newest lineage record of a version; the newer supersedes the older."""
    return (
        LineageRecord.objects.filter(version_uri=version_uri)
        .select_related("entry__leaf")
        .order_by("-entry_id")
        .first()
    )


def entries_about(version: ModelVersion) -> QuerySet[LogEntry]:
    """Return the newest log entries about a version."""
    return (
        LogEntry.objects.filter(subject_name=version.uri)
        .select_related("leaf")
        .defer("envelope")
        .order_by("-id")[:LOG_LENGTH]
    )


def report_job(version_uri: str) -> Job | None:
    """Return the newest report job of a version."""
    return (
        Job.objects.filter(version_uri=version_uri, kind=Job.Kind.REPORT)
        .order_by("-created_at")
        .first()
    )


def latest_report_of(version_uri: str) -> Report | None:
    """Return the newest signed report, without its bytes."""
    return (
        Report.objects.filter(version_uri=version_uri)
        .select_related("entry__leaf")
        .defer("pdf", "entry__envelope")
        .order_by("-issued_at")
        .first()
    )


def version_by_uri(uri: str) -> ModelVersion | None:
    """Return the version with that URI."""
    return ModelVersion.objects.select_related("registered_model").filter(uri=uri).first()


def created_at(version: ModelVersion) -> datetime:
    """Return when MLflow says that a version was created."""
    return datetime.fromtimestamp(version.creation_timestamp_ms / 1000, tz=UTC)
