"""One registered model, and binding a policy to it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import ReauthenticationFailed
from accounts.models import Proposal, Role
from accounts.services.proposals import ask_for
from accounts.services.two_people import is_bootstrapping
from registry.errors import InvalidRequest, PolicyNotBindable
from registry.models import PolicyBinding, RegisteredModel
from registry.selectors.evaluation_sets import every_set
from registry.selectors.inventory import champion_alias
from registry.selectors.lookups import model_named
from registry.selectors.models import alias_history, version_rows, versions_of
from registry.selectors.versions import created_at
from registry.selectors.violations import attention_of
from registry.services.policies import document_of
from registry.services.policy_changes import binding
from registry.web.binding_choices import WAITS, binding_choices, chosen_binding
from registry.web.mlflow_links import model_link
from registry.web.people import actor_from, person_of
from registry.web.set_panels import set_panel

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
        "set_panel": set_panel(found, document_of(bound.policy) if bound else None),
        "set_choices": every_set() if is_admin else [],
        "bind_error": bind_error,
        "takes_two": is_admin and not is_bootstrapping(),
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
        asked = ask_for(
            change=binding(found, policy, risk_tier),
            password=request.POST.get("password", ""),
            actor=actor,
            now=timezone.now(),
        )
    except (InvalidRequest, PolicyNotBindable, ReauthenticationFailed) as error:
        messages.error(request, f"Nothing was bound. {error}")
        return _page(request, found, bind_error=str(error), status=int(error.status))
    if isinstance(asked, Proposal):
        messages.success(request, WAITS)
        return redirect("accounts:proposal", asked.pk)
    messages.success(request, asked)
    return redirect(reverse("registry:model", args=[found.name]) + found.source_query)
