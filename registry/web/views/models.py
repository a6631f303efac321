"""One registered model, and binding a policy to it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Role
from registry.domain.policy_parser import RISK_TIERS
from registry.models import Policy, PolicyBinding
from registry.selectors.inventory import champion_alias
from registry.selectors.lookups import model_named
from registry.selectors.models import alias_history, count_violations, version_rows, versions_of
from registry.selectors.policies import published_policies
from registry.selectors.versions import created_at
from registry.services.bindings import bind_policy
from registry.services.policies import document_of
from registry.web.mlflow_links import model_link
from registry.web.people import actor_from, person_of

VERSIONS_A_PAGE = 25


@require_safe
def model(request: HttpRequest, name: str) -> HttpResponse:
    """Show one model: its policy, its versions, who was champion when."""
    found = model_named(name)
    page = Paginator(versions_of(found), VERSIONS_A_PAGE).get_page(request.GET.get("page"))
    versions = list(page.object_list)
    binding = PolicyBinding.objects.select_related("policy", "bound_by").filter(
        registered_model=found
    )
    is_admin = Role.ADMIN in person_of(request).roles
    context = {
        "model": found,
        "binding": binding.first(),
        "page_obj": page,
        "versions": version_rows(versions, {row.pk: created_at(row) for row in versions}),
        "history": alias_history(found),
        "violations": count_violations(found),
        "mlflow_url": model_link(found.name),
        "alias": champion_alias(),
        "can_bind": is_admin and found.gone_at is None,
        "choices": _choices() if is_admin else [],
        "risk_tiers": RISK_TIERS,
    }
    return render(request, "registry/model.html", context)


def _choices() -> list[tuple[str, str]]:
    return [
        (policy.digest, f"{policy.name} v{policy.version}: {document_of(policy).title}")
        for policy in published_policies()
    ]


@require_POST
def bind(request: HttpRequest, name: str) -> HttpResponse:
    """Bind a policy and a risk tier to a model; the service asks for the role."""
    found = model_named(name)
    actor = actor_from(request)
    actor.require_role("bind a policy", Role.ADMIN.value)
    policy = get_object_or_404(Policy, digest=request.POST.get("policy", "")[:80])
    bind_policy(
        registered_model=found,
        policy=policy,
        risk_tier=request.POST.get("risk_tier", ""),
        actor=actor,
        now=timezone.now(),
    )
    messages.success(request, f"{found.name} is now under {policy.name} version {policy.version}.")
    return redirect("registry:model", found.name)
