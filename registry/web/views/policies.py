"""Published policies, explained."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import ReauthenticationFailed
from accounts.models import Proposal, Role
from accounts.services.proposals import ask_for
from accounts.services.two_people import is_bootstrapping
from audits.selectors import latest_checkpoint
from registry.errors import PolicyNotBindable
from registry.models import Policy
from registry.selectors.policies import bindings_of, published_policies
from registry.selectors.policy_drafts import policy_drafts
from registry.services.policies import document_of
from registry.services.policy_changes import retirement
from registry.services.retired_policies import RETIRE
from registry.web.binding_choices import WAITS
from registry.web.people import actor_from, person_of
from registry.web.policy_words import explain_gates


@require_safe
def policies(request: HttpRequest) -> HttpResponse:
    """List the published policies."""
    rows = [(policy, document_of(policy)) for policy in published_policies()]
    context = {
        "rows": rows,
        "drafts": policy_drafts(),
        "may_edit": Role.ADMIN.value in actor_from(request).roles,
    }
    return render(request, "registry/policies.html", context)


@require_safe
def policy(request: HttpRequest, digest: str) -> HttpResponse:
    """Show one policy version: its gates in words, its exact document, what it binds."""
    return _page(request, _found(digest))


@require_POST
def retire(request: HttpRequest, digest: str) -> HttpResponse:
    """Retire a policy version, or propose it; the service asks for the role."""
    found, actor = _found(digest), actor_from(request)
    actor.require_role(RETIRE, Role.ADMIN.value)
    try:
        asked = ask_for(
            change=retirement(found),
            password=request.POST.get("password", ""),
            actor=actor,
            now=timezone.now(),
        )
    except (PolicyNotBindable, ReauthenticationFailed) as error:
        return _page(request, found, retire_error=str(error), status=int(error.status))
    if isinstance(asked, Proposal):
        messages.success(request, WAITS)
        return redirect("accounts:proposal", asked.pk)
    messages.success(request, asked)
    return redirect("registry:policy", digest)


def _found(digest: str) -> Policy:
    rows = Policy.objects.select_related("entry__leaf", "retirement__entry")
    return get_object_or_404(rows, digest=f"sha256:{digest}")


def _page(
    request: HttpRequest, found: Policy, *, retire_error: str = "", status: int = 200
) -> HttpResponse:
    is_admin = Role.ADMIN in person_of(request).roles
    document = document_of(found)
    context = {
        "policy": found,
        "document": document,
        "gates": explain_gates(document),
        "text": bytes(found.document).decode("utf-8", "replace"),
        "bindings": bindings_of(found),
        "checkpoint": latest_checkpoint(),
        "retirement": found.retirement if hasattr(found, "retirement") else None,
        "may_retire": is_admin and not hasattr(found, "retirement"),
        "takes_two": is_admin and not is_bootstrapping(),
        "retire_error": retire_error,
        "may_edit": is_admin,
    }
    return render(request, "registry/policy.html", context, status=status)


@require_safe
def policy_document(request: HttpRequest, digest: str) -> HttpResponse:
    """Hand out a policy's exact bytes: their SHA-256 is its digest."""
    found = get_object_or_404(Policy, digest=f"sha256:{digest}")
    answer = HttpResponse(bytes(found.document), content_type="application/yaml")
    name = f"{found.name}-v{found.version}.yaml"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
