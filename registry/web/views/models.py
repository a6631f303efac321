"""One registered model, and binding a policy to it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Role
from registry.errors import InvalidRequest, PolicyNotBindable
from registry.models import PolicyBinding, RegisteredModel
from registry.selectors.inventory import champion_alias
from registry.selectors.lookups import model_named
from registry.selectors.models import alias_history, version_rows, versions_of
from registry.selectors.versions import created_at
from registry.selectors.violations import attention_of
from registry.services.bindings import bind_policy
from registry.web.binding_choices import binding_choices, chosen_binding
from registry.web.mlflow_links import model_link
from registry.web.people import actor_from, person_of

VERSIONS_A_PAGE = 25


@require_safe
def model(request: HttpRequest, name: str) -> HttpResponse:
    """Show one model: its policy, its versions, who was champion when."""
    return _page(request, model_named(name, request.GET.get("source", "")))


def _page(
    request: HttpRequest, found: RegisteredModel, *, bind_error: str = "", status: int = 200
) -> HttpResponse:
    page = Paginator(versions_of(found), VERSIONS_A_PAGE).get_page(request.GET.get("page"))
    versions = list(page.object_list)
    bindings = PolicyBinding.objects.select_related("policy", "bound_by")
    bound = bindings.filter(registered_model=found).first()
    history = alias_history(found)
    is_admin = Role.ADMIN in person_of(request).roles
    context = {
        "model": found,
        "binding": bound,
        "page_obj": page,
        "versions": version_rows(versions, {row.pk: created_at(row) for row in versions}),
        "history": history,
        "violations": attention_of(found),
        "mlflow_url": model_link(found),
        "alias": champion_alias(),
        "can_go_back": any(move.promotion_id for move in history),
        "can_bind": is_admin and found.gone_at is None,
        "choices": binding_choices() if is_admin else [],
        "bind_error": bind_error,
        "bound_pair": f"{bound.policy_id} {bound.risk_tier}" if bound else "",
        "entered_binding": request.POST.get("binding", ""),
    }
    return render(request, "registry/model.html", context, status=status)


@require_POST
def bind(request: HttpRequest, name: str) -> HttpResponse:
    """Bind a policy and a risk tier to a model; the service asks for the role."""
    found = model_named(name, request.GET.get("source", ""))
    actor = actor_from(request)
    actor.require_role("bind a policy", Role.ADMIN.value)
    try:
        policy, risk_tier = chosen_binding(request.POST.get("binding", ""))
        bind_policy(
            registered_model=found,
            policy=policy,
            risk_tier=risk_tier,
            actor=actor,
            now=timezone.now(),
        )
    except (InvalidRequest, PolicyNotBindable) as error:
        messages.error(request, f"Nothing was bound. {error}")
        return _page(request, found, bind_error=str(error), status=int(error.status))
    messages.success(request, f"{found.name} is now under {policy.name} version {policy.version}.")
    return redirect(reverse("registry:model", args=[found.name]) + found.source_query)
