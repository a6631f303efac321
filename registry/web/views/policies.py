"""Published policies, explained."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from audits.selectors import latest_checkpoint
from registry.models import Policy
from registry.selectors.policies import bindings_of, published_policies
from registry.services.policies import document_of
from registry.web.policy_words import explain_gates


@require_safe
def policies(request: HttpRequest) -> HttpResponse:
    """List the published policies."""
    rows = [(policy, document_of(policy)) for policy in published_policies()]
    return render(request, "registry/policies.html", {"rows": rows})


@require_safe
def policy(request: HttpRequest, digest: str) -> HttpResponse:
    """Show one policy version: its gates in words, its exact document, what it binds."""
    found = get_object_or_404(
        Policy.objects.select_related("entry__leaf"), digest=f"sha256:{digest}"
    )
    document = document_of(found)
    context = {
        "policy": found,
        "document": document,
        "gates": explain_gates(document),
        "text": bytes(found.document).decode("utf-8", "replace"),
        "bindings": bindings_of(found),
        "checkpoint": latest_checkpoint(),
    }
    return render(request, "registry/policy.html", context)


@require_safe
def policy_document(request: HttpRequest, digest: str) -> HttpResponse:
    """Hand out a policy's exact bytes: their SHA-256 is its digest."""
    found = get_object_or_404(Policy, digest=f"sha256:{digest}")
    answer = HttpResponse(bytes(found.document), content_type="application/yaml")
    name = f"{found.name}-v{found.version}.yaml"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
