"""Asking certain people to review a promotion."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from registry.models import Promotion
from registry.services.assignments import assign_reviewers
from registry.web.people import actor_from


@require_POST
def assign(request: HttpRequest, promotion_id: UUID) -> HttpResponse:
    """Ask the chosen people; they are told."""
    found = get_object_or_404(Promotion, pk=promotion_id)
    assign_reviewers(
        promotion_id=found.pk,
        people=request.POST.getlist("person"),
        actor=actor_from(request),
        now=timezone.now(),
    )
    messages.success(request, "They are asked to review this promotion.")
    return redirect("registry:promotion", found.pk)
