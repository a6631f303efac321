"""Violations: the list, one with all that is known of it, and answering for it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Role
from registry.domain.violations import ViolationStatus
from registry.errors import InvalidRequest
from registry.models import Violation
from registry.selectors.violations import (
    ViolationFilter,
    ending_of,
    list_violations,
    source_names,
    violation_counts,
)
from registry.services.violations import MAX_REASON, accept_violation
from registry.web.people import actor_from, person_of
from registry.web.violation_words import STATE_WORDS, changed_fields, next_steps

PAGE_SIZE = 25


@require_safe
def violations(request: HttpRequest) -> HttpResponse:
    """List the changes that nothing allowed, the newest first."""
    wanted = ViolationFilter.from_query(request.GET.dict())
    page = Paginator(list_violations(wanted), PAGE_SIZE).get_page(request.GET.get("page"))
    counts = violation_counts(wanted)
    context = {
        "wanted": wanted,
        "states": [(state, STATE_WORDS[state], count) for state, count in counts.items()],
        "sources": source_names(),
        "page_obj": page,
        "is_narrowed": bool(wanted.source or wanted.model),
    }
    return render(request, "registry/violations.html", context)


@require_safe
def violation(request: HttpRequest, violation_id: UUID) -> HttpResponse:
    """Show what was changed, what it was before, how it ended or what to do."""
    return _page(request, _violation(violation_id))


def _violation(violation_id: UUID) -> Violation:
    rows = Violation.objects.select_related(
        "registered_model__source", "version", "entry__leaf", "settled_by"
    ).defer("entry__envelope")
    return get_object_or_404(rows, pk=violation_id)


def _page(
    request: HttpRequest, found: Violation, *, form_error: str = "", status: int = 200
) -> HttpResponse:
    is_open = found.status == ViolationStatus.OPEN
    context = {
        "violation": found,
        "model": found.registered_model,
        "fields": changed_fields(found),
        "steps": next_steps(found),
        "ending": ending_of(found),
        "may_accept": is_open and Role.ADMIN in person_of(request).roles,
        "form_error": form_error,
        "entered_reason": request.POST.get("reason", ""),
        "most_letters": MAX_REASON,
    }
    return render(request, "registry/violation.html", context, status=status)


@require_POST
def accept(request: HttpRequest, violation_id: UUID) -> HttpResponse:
    """Answer for a violation; the service asks for the role and the reason."""
    found = _violation(violation_id)
    try:
        accept_violation(
            violation_id=found.pk,
            reason=request.POST.get("reason", ""),
            actor=actor_from(request),
            now=timezone.now(),
        )
    except InvalidRequest as error:
        messages.error(request, f"Nothing was recorded. {error}")
        again = _violation(violation_id)
        return _page(request, again, form_error=str(error), status=int(error.status))
    messages.success(request, "You answer for this change. Your reason stands behind the log.")
    return redirect("registry:violation", found.pk)
