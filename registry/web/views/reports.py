"""Signed reports: ordered with a button, watched, downloaded. Works without a script."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audits.models import Job, Report
from registry.downloads import pdf_response
from registry.errors import UnknownVersion
from registry.models import ModelVersion
from registry.selectors.lookups import version_named
from registry.selectors.versions import version_by_uri
from registry.services.reports import request_report
from registry.web.people import actor_from


@require_POST
def order_report(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Order the signed report of a version, or lead to the one that is current."""
    found = version_named(name, number, request.GET.get("source", ""))
    job = request_report(version=found, actor=actor_from(request), now=timezone.now())
    return redirect("registry:report-job", job.pk)


@require_safe
def report_job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show how far a report is; a script asks for the fragment, everybody else reloads."""
    job = get_object_or_404(
        Job.objects.select_related("report").defer("report__pdf"),
        pk=job_id,
        kind=Job.Kind.REPORT,
    )
    version = _version_of(job.version_uri)
    context = {
        "job": job,
        "report": job.report,
        "version": version,
        "model": version.registered_model,
        "is_working": job.status in (Job.Status.QUEUED, Job.Status.RUNNING),
    }
    fragment = bool(request.htmx)  # type: ignore[attr-defined]  # set by django-htmx
    page = "registry/report_progress.html" if fragment else "registry/report.html"
    return render(request, page, context)


@require_safe
def report_pdf(request: HttpRequest, report_id: UUID) -> HttpResponse:
    """Hand out an issued report's exact bytes."""
    report = get_object_or_404(Report, pk=report_id)
    version = _version_of(report.version_uri)
    return pdf_response(report, version.registered_model.name, version.version)


def _version_of(uri: str) -> ModelVersion:
    found = version_by_uri(uri)
    if found is None:
        raise UnknownVersion("The version that this report is about is not in the mirror.")
    return found
