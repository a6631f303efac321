"""The signed report of a version, over REST."""

from __future__ import annotations

import threading
import time
from typing import cast

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.services.people import actor_of
from audits.api.negotiation import AsItIs
from audits.models import Job, Report
from registry.api.gate import SOURCE_PARAMETER
from registry.downloads import pdf_response
from registry.services.lookup import find_version
from registry.services.reports import find_report, request_report

POLL_SECONDS = 0.2
# A web process has eight threads: whoever waits must leave most of them to everybody else.
_WAITING = threading.BoundedSemaphore(2)


class ReportView(APIView):
    """Answer the signed PDF; where none is current, order one and wait for it a while."""

    content_negotiation_class = AsItIs

    @extend_schema(
        parameters=[OpenApiParameter("source", str, description=SOURCE_PARAMETER)],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, 202: dict[str, str]},
    )
    def get(self, request: Request, name: str, version: int) -> HttpResponse:
        found = find_version(name, version, request.query_params.get("source", ""))
        actor = actor_of(cast(User, request.user))
        job = request_report(version=found, actor=actor, now=timezone.now())
        report = find_report(job) or _wait_for(job)
        if report is None:
            return _not_yet(job)
        return pdf_response(report, found.registered_model.name, found.version)


def _wait_for(job: Job) -> Report | None:
    """Wait a while for a report, unless too many of this process's threads wait already."""
    if not _WAITING.acquire(blocking=False):
        return None
    try:
        deadline = time.monotonic() + settings.REPORT_WAIT_SECONDS
        while (report := find_report(job)) is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return report
    finally:
        _WAITING.release()


def _not_yet(job: Job) -> Response:
    response = Response(
        {"status": job.status, "detail": "The report is being made. Ask again in a few seconds."},
        status=202,
    )
    response["Retry-After"] = "3"
    return response
