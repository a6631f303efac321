"""Binding a policy to many models: shown first, then done as it was shown."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from accounts.errors import AccountsError
from accounts.models import Proposal, Role
from accounts.services.proposals import ask_for
from accounts.services.two_people import is_bootstrapping
from registry.errors import (
    BindingChanged,
    InvalidRequest,
    PolicyNotBindable,
    UnknownSource,
    UnknownVersion,
)
from registry.services.bulk_bindings import digest_of_plan, plan_binding
from registry.services.policy_changes import bulk_binding
from registry.services.sources import find_source
from registry.web.binding_choices import WAITS, binding_choices, chosen_binding
from registry.web.people import actor_from

SHOWN = 500
_REFUSALS = (
    *(AccountsError, BindingChanged, InvalidRequest),
    *(PolicyNotBindable, UnknownSource, UnknownVersion),
)


@require_http_methods(["GET", "HEAD", "POST"])
def bind_in_bulk(request: HttpRequest) -> HttpResponse:
    """Show which models a pattern matches and what each has; bind when that is agreed to."""
    actor = actor_from(request)
    actor.require_role("bind a policy", Role.ADMIN.value)
    entered = request.POST if request.method == "POST" else request.GET
    pattern, pair = entered.get("pattern", ""), entered.get("binding", "")
    context: dict[str, object] = {
        "pattern": pattern,
        "pair": pair,
        "source": entered.get("source", ""),
        "choices": binding_choices(),
        "takes_two": not is_bootstrapping(),
    }
    try:
        policy, risk_tier = chosen_binding(pair)
        source = find_source(entered.get("source") or None)
        if request.method == "POST":
            asked = ask_for(
                change=bulk_binding(
                    source=source,
                    pattern=pattern,
                    policy=policy,
                    risk_tier=risk_tier,
                    shown=entered.get("shown", ""),
                ),
                password=entered.get("password", ""),
                actor=actor,
                now=timezone.now(),
            )
            if isinstance(asked, Proposal):
                messages.success(request, WAITS)
                return redirect("accounts:proposal", asked.pk)
            messages.success(request, asked)
            return redirect(f"{reverse('registry:plan')}?{urlencode({'pattern': pattern})}")
        plan = plan_binding(source=source, pattern=pattern, policy=policy, risk_tier=risk_tier)
    except _REFUSALS as error:
        context["error"] = str(error)
        return render(request, "registry/plan_bind.html", context, status=int(error.status))
    context |= {
        "source": source.name,
        "policy": policy,
        "risk_tier": risk_tier,
        "rows": plan[:SHOWN],
        "more": max(0, len(plan) - SHOWN),
        "total": len(plan),
        "changed": sum(one.changes for one in plan),
        "shown": digest_of_plan(plan),
    }
    return render(request, "registry/plan_bind.html", context)
