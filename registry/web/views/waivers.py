"""Waivers of a version's gates: what is waived, granting one, and taking one back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import ReauthenticationFailed
from registry.domain.waivers import MAX_DAYS, why_not_waive
from registry.models import ModelVersion, PolicyBinding
from registry.selectors.lookups import version_named
from registry.selectors.waivers import shown_waivers
from registry.services.policies import document_of
from registry.services.signature_strength import least_signature
from registry.services.waivers import MAX_REASON, ROLES, grant_waiver, involved_in, revoke_waiver
from registry.web.days import end_of_day
from registry.web.gates import waivers_address
from registry.web.people import actor_from, person_of
from registry.web.signing import TRY_AGAIN, sign_from, signed_form, signing_ways


@require_safe
def waivers(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show what is waived of a version, and offer those gates that this person may waive."""
    found = version_named(name, number, request.GET.get("source", ""))
    return _page(request, found, {}, status=200)


def _page(
    request: HttpRequest, found: ModelVersion, entered: dict[str, Any], *, status: int
) -> HttpResponse:
    actor, now = actor_from(request), timezone.now()
    binding = (
        PolicyBinding.objects.select_related("policy")
        .filter(registered_model=found.registered_model_id)
        .first()
    )
    gates, refusal = [], ""
    if binding is not None:
        policy, involved = document_of(binding.policy), involved_in(found)
        for gate in policy.every_gate:
            if not gate.waivable_by:
                continue
            problem = why_not_waive(
                policy, gate.id, person=actor.id, roles=actor.roles, not_by=involved
            )
            if problem is None:
                gates.append(gate)
            else:
                refusal = problem.reason
    context = {
        "version": found,
        "model": found.registered_model,
        "binding": binding,
        "signing": signing_ways(least_signature(binding), person_of(request)),
        "waivers": shown_waivers(found, now),
        "gates": gates,
        "refusal": "" if gates else refusal,
        "may_revoke": not actor.roles.isdisjoint(ROLES),
        "most_letters": MAX_REASON,
        "most_days": MAX_DAYS,
        "first_day": (now + timedelta(days=1)).date().isoformat(),
        "last_day": (now + timedelta(days=MAX_DAYS - 1)).date().isoformat(),
        "wanted_gate": request.GET.get("gate", ""),
    }
    return render(request, "registry/waivers.html", {**context, **entered}, status=status)


@require_POST
@signed_form
def grant(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Waive a gate. What was typed is kept where only the password or a field was wrong."""
    found = version_named(name, number, request.GET.get("source", ""))
    form = request.POST
    try:
        sign_from(
            request,
            lambda **by: grant_waiver(
                version=found,
                gate_id=form.get("gate", ""),
                reason=form.get("reason", ""),
                until=end_of_day(form.get("until", "")),
                **by,
            ),
        )
    except TRY_AGAIN as error:
        entered = {
            "form_error": str(error),
            "wanted_gate": form.get("gate", ""),
            "entered_reason": form.get("reason", ""),
            "entered_until": form.get("until", ""),
            "is_password_wrong": isinstance(error, ReauthenticationFailed),
        }
        return _page(request, found, entered, status=int(error.status))
    messages.success(request, "Your waiver is signed. The gate is shown as waived, not as passed.")
    return redirect(waivers_address(found))


@require_POST
def revoke(request: HttpRequest, waiver_id: UUID) -> HttpResponse:
    """Take a waiver back."""
    revocation = revoke_waiver(
        waiver_id=waiver_id,
        reason=request.POST.get("reason", ""),
        actor=actor_from(request),
        now=timezone.now(),
    )
    messages.success(request, "The waiver is taken back. The gate holds again.")
    return redirect(waivers_address(revocation.waiver.version))
