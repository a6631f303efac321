"""Putting an alias back at once: what it would do, and signing it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.errors import ReauthenticationFailed
from audits.selectors import current_evidence
from registry.domain.emergency import MEANINGS, ROLES, Emergency
from registry.errors import EvidenceChanged, PromotionOpen, RollbackNotPossible
from registry.models import RegisteredModel
from registry.selectors.inventory import champion_alias
from registry.selectors.lookups import model_named
from registry.services.decisions import alias_holder
from registry.services.emergencies import (
    MAX_REASON,
    previous_holder,
    roll_back_now,
    shown_evaluation,
)
from registry.services.signature_strength import least_for
from registry.web.gates import gate_rows
from registry.web.people import actor_from, person_of
from registry.web.signing import TRY_AGAIN, sign_from, signed_form, signing_ways


@require_http_methods(["GET", "HEAD", "POST"])
@signed_form
def roll_back(request: HttpRequest, name: str) -> HttpResponse:
    """Show what putting the champion back would do; a POST signs it."""
    model = model_named(name, request.GET.get("source", ""))
    alias = champion_alias()
    if request.method != "POST":
        return _page(request, model, alias, {}, status=200)
    number = request.POST.get("to_version", "")
    try:
        promotion = sign_from(
            request,
            lambda **by: roll_back_now(
                registered_model=model,
                alias=alias,
                to_version=int(number) if number.isascii() and number.isdecimal() else 0,
                evidence_digest=request.POST.get("evidence_digest", ""),
                reason=request.POST.get("reason", ""),
                **by,
            ),
        )
    except (*TRY_AGAIN, EvidenceChanged, PromotionOpen, RollbackNotPossible) as error:
        entered = {
            "entered_reason": request.POST.get("reason", ""),
            "form_error": str(error),
            "is_password_wrong": isinstance(error, ReauthenticationFailed),
        }
        messages.error(request, f"Nothing was signed. {error}")
        return _page(request, model, alias, entered, status=int(error.status))
    messages.success(
        request, "It is signed. The alias moves once the signature stands under a checkpoint."
    )
    return redirect("registry:promotion", promotion.pk)


def _page(
    request: HttpRequest,
    model: RegisteredModel,
    alias: str,
    entered: dict[str, Any],
    *,
    status: int,
) -> HttpResponse:
    context: dict[str, Any] = {
        "model": model,
        "alias": alias,
        "signing": signing_ways(least_for(model), person_of(request)),
        "holder": alias_holder(model, alias),
        "meaning": MEANINGS[Emergency.ROLLBACK],
        "most_letters": MAX_REASON,
        "may_sign": not actor_from(request).roles.isdisjoint(ROLES),
        **entered,
    }
    try:
        version = previous_holder(model, alias)
    except RollbackNotPossible as error:
        return render(
            request, "registry/emergency.html", {**context, "impossible": error}, status=status
        )
    evaluation, failing = shown_evaluation(version, alias, timezone.now())
    decision = evaluation.decision
    rows = gate_rows([gate.to_mapping() for gate in failing], current_evidence(version.uri))
    context |= {
        "version": version,
        "gates": rows,
        "evidence_digest": decision.evidence_digest if decision is not None else "",
        "has_policy": decision is not None,
    }
    return render(request, "registry/emergency.html", context, status=status)
