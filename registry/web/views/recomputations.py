"""Recomputations: ordered with a button, watched, cancelled. Works without a script."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audits.domain.reproduction import tell_reproduction
from audits.web.names import people_names
from lineage.domain.recomputation import RecomputationStatus
from lineage.models import Recomputation
from registry.errors import InvalidRequest, UnknownVersion
from registry.models import ModelVersion
from registry.selectors.lookups import version_named
from registry.selectors.recomputations import list_recomputations
from registry.selectors.versions import lineage_of, version_by_uri
from registry.services.recomputation_orders import (
    MAX_REPEATS,
    ROLES,
    request_recomputation,
    stop_recomputation,
)
from registry.web.people import actor_from, person_of
from registry.web.recomputation_words import (
    duration_words,
    look_of_recomputation,
    progress_of,
)

PAGE_SIZE = 25


@require_safe
def recomputations(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """List the recomputations of a version, the newest first, and offer to order one."""
    found = version_named(name, number, request.GET.get("source", ""))
    rows = list_recomputations(found.uri)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    names = people_names(str(row.requested_by) for row in page.object_list if row.requested_by)
    is_open = rows.filter(finished_at__isnull=True).exists()
    context = {
        "version": found,
        "model": found.registered_model,
        "page_obj": page,
        "rows": [
            (row, look_of_recomputation(row), _who(row, names), _took(row))
            for row in page.object_list
        ],
        "may_order": may_order(request) and found.gone_at is None and not is_open,
        "is_open": is_open,
        "has_record": lineage_of(found.uri) is not None,
        "most_repeats": MAX_REPEATS,
    }
    return render(request, "registry/recomputations.html", context)


@require_POST
def order(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Order a recomputation; the service says what stands in the way."""
    repeats = request.POST.get("repeats", "1")
    if not (repeats.isascii() and repeats.isdecimal() and len(repeats) < 4):
        raise InvalidRequest("Give the number of trainings as a number.")
    found = request_recomputation(
        version=version_named(name, number, request.GET.get("source", "")),
        repeats=int(repeats),
        negative_control=request.POST.get("negative_control") == "yes",
        actor=actor_from(request),
        now=timezone.now(),
    )
    messages.success(request, "The recomputation is ordered. This page follows it.")
    return redirect("registry:recomputation", found.pk)


@require_safe
def recomputation(request: HttpRequest, recomputation_id: UUID) -> HttpResponse:
    """Show how far a recomputation is; a script asks for the fragment, everybody else reloads."""
    found = get_object_or_404(
        Recomputation.objects.select_related("record__entry", "evidence__entry__leaf").defer(
            "record__facts", "record__artifacts", "record__legs"
        ),
        pk=recomputation_id,
    )
    version = _version_of(found)
    context = {
        **_context(found, version),
        "may_order": may_order(request),
        "who": _who(found, people_names([str(found.requested_by)])),
    }
    if not request.htmx:  # type: ignore[attr-defined]  # set by django-htmx
        return render(request, "registry/recomputation.html", context)
    answer = render(request, "registry/recomputation_progress.html", context)
    if request.GET.get("was") != found.status:
        # What the page shows is no longer true: the browser loads it again.
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
def cancel(request: HttpRequest, recomputation_id: UUID) -> HttpResponse:
    """Cancel a recomputation; its worker stops within a second or two."""
    found = get_object_or_404(Recomputation, pk=recomputation_id)
    stop_recomputation(recomputation_id=found.pk, actor=actor_from(request), now=timezone.now())
    messages.success(request, "The recomputation is cancelled. Nothing is concluded from it.")
    return redirect("registry:recomputation", found.pk)


def may_order(request: HttpRequest) -> bool:
    """Tell whether the person may order and cancel recomputations, for the page alone."""
    return not set(ROLES).isdisjoint(person_of(request).roles)


def _context(found: Recomputation, version: ModelVersion) -> dict[str, Any]:
    is_open = RecomputationStatus(found.status).is_open
    evidence = found.evidence
    return {
        "recomputation": found,
        "version": version,
        "model": version.registered_model,
        "look": look_of_recomputation(found),
        "is_open": is_open,
        "progress": progress_of(found, timezone.now()) if is_open else None,
        "found": tell_reproduction(evidence.measurements) if evidence else None,
        "evidence": evidence,
        "took": _took(found),
    }


def _who(found: Recomputation, names: dict[str, str]) -> str:
    if found.requested_by is None:
        return "Muniment"
    return names.get(str(found.requested_by), f"Person {str(found.requested_by)[:8]}")


def _took(found: Recomputation) -> str:
    if found.started_at is None or found.finished_at is None:
        return ""
    return duration_words((found.finished_at - found.started_at).total_seconds())


def _version_of(found: Recomputation) -> ModelVersion:
    version = version_by_uri(found.version_uri)
    if version is None:
        raise UnknownVersion("The version that is recomputed is not in the mirror.")
    return version
