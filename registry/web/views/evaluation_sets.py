"""Evaluation sets: which there are, which a model is audited with, and an audit by a button."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from registry.errors import UnknownEvaluationSet
from registry.models import EvaluationSet
from registry.selectors.evaluation_sets import list_sets
from registry.selectors.lookups import model_named, version_named
from registry.services.evaluation_sets import bind_evaluation_set
from registry.services.set_audit_orders import request_set_audit
from registry.web.people import actor_from


@require_safe
def evaluation_sets(request: HttpRequest) -> HttpResponse:
    """List every version of every set. Its rows are shown to nobody."""
    return render(request, "registry/evaluation_sets.html", {"rows": list_sets()})


@require_POST
def bind(request: HttpRequest, name: str) -> HttpResponse:
    """Bind an evaluation set to a model; the service asks for the role."""
    found = model_named(name, request.GET.get("source", ""))
    actor = actor_from(request)
    actor.require_role("bind an evaluation set", "admin")
    chosen = _chosen(request.POST.get("evaluation_set", ""))
    bind_evaluation_set(
        registered_model=found, evaluation_set=chosen, actor=actor, now=timezone.now()
    )
    messages.success(request, f"{found.name} is audited with {chosen} from now on.")
    return redirect(reverse("registry:model", args=[found.name]) + found.source_query)


@require_POST
def audit(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Order an audit of a version with its model's set; the service says what stands in the way."""
    found = version_named(name, number, request.GET.get("source", ""))
    request_set_audit(version=found, actor=actor_from(request), now=timezone.now())
    messages.success(request, "The audit is ordered. Its evidence appears here.")
    page = reverse("registry:version", args=[found.registered_model.name, found.version])
    return redirect(f"{page}{found.registered_model.source_query}#set-audit")


def _chosen(entered: str) -> EvaluationSet:
    try:
        found = EvaluationSet.objects.filter(pk=UUID(entered)).first()
    except ValueError:
        found = None
    if found is None:
        raise UnknownEvaluationSet("Choose one of the registered evaluation sets.")
    return found
