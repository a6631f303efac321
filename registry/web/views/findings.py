"""Findings: raising one on a promotion, answering, and closing."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from registry.models import Promotion
from registry.services.findings import answer_finding, close_finding, raise_finding
from registry.web.days import end_of_day
from registry.web.people import actor_from
from registry.web.signing import sign_from, signed_form


@require_POST
@signed_form
def raise_one(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Sign a condition."""
    found, form = get_object_or_404(Promotion, pk=promotion_id), request.POST
    sign_from(
        request,
        lambda **by: raise_finding(
            promotion_id=found.pk,
            severity=form.get("severity", ""),
            text=form.get("text", ""),
            owner_id=form.get("owner", ""),
            due_at=end_of_day(form.get("due", "")),
            **by,
        ),
    )
    messages.success(
        request, "The finding is signed, and its owner is told. Now give your verdict."
    )
    return redirect("registry:promotion", found.pk)


@require_POST
def answer(request: HttpRequest, finding_id: UUID) -> HttpResponse:
    """Say what was done about a finding."""
    answered = answer_finding(
        finding_id=finding_id,
        text=request.POST.get("text", ""),
        actor=actor_from(request),
        now=timezone.now(),
    )
    messages.success(request, "Your answer is kept. A reviewer confirms it.")
    return redirect("registry:promotion", answered.finding.promotion_id)


@require_POST
@signed_form
def close(request: HttpRequest, finding_id: UUID) -> HttpResponse:
    """Sign that a finding was put right."""
    closed = sign_from(request, lambda **by: close_finding(finding_id=finding_id, **by))
    messages.success(request, "The finding is closed.")
    return redirect("registry:promotion", closed.finding.promotion_id)
