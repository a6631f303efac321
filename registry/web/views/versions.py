"""One version: what it was made of, what was found, what would be decided now."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Role
from audits.selectors import current_evidence, latest_checkpoint, open_jobs
from audits.web.panels import evidence_panel
from registry.domain.promotion import OPEN_STATUSES
from registry.domain.rollback import DEFAULT_VALID_DAYS, MAX_VALID_DAYS
from registry.domain.separation import why_not_request
from registry.selectors.inventory import champion_alias
from registry.selectors.lookups import version_named
from registry.selectors.promotions import promotions_of
from registry.selectors.recomputations import changed_datasets, list_recomputations
from registry.selectors.rollbacks import could_go_back_from, list_rollbacks, shown_status
from registry.selectors.versions import (
    aliases_of,
    created_at,
    entries_about,
    latest_report_of,
    lineage_of,
    report_job,
)
from registry.selectors.violations import attention_of
from registry.services.evaluation import evaluate_version
from registry.services.policies import document_of
from registry.services.promotions import is_reviewed_again, request_promotion
from registry.services.set_audit_orders import ROLES
from registry.services.stated_evidence import asks_people
from registry.services.violations import withdrawn_against
from registry.web.gates import gate_rows
from registry.web.lineage_words import lineage_panel
from registry.web.mlflow_links import version_link
from registry.web.people import actor_from, person_of
from registry.web.recomputation_words import look_of_recomputation
from registry.web.set_panels import set_panel

# The newest on the version's page; the page of rollback grants has all.
MOST_ROLLBACKS = 10


@require_safe
def version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show one version, whole."""
    found = version_named(name, number, request.GET.get("source", ""))
    alias = champion_alias()
    evaluation = evaluate_version(version=found, alias=alias, as_of=timezone.now())
    decision = evaluation.decision
    evidence = current_evidence(found.uri)
    jobs = list(open_jobs(found.uri))
    promotions = promotions_of(found)
    aliases = aliases_of(found)
    holds = {held.alias.lower() for held in aliases}
    recomputation = list_recomputations(found.uri).first()
    refusal = why_not_request(roles=person_of(request).roles)
    is_open = any(item.status in OPEN_STATUSES and item.alias == alias for item in promotions)
    context = {
        "version": found,
        "model": found.registered_model,
        "aliases": aliases,
        "violations": attention_of(found.registered_model, found),
        "withdrawn": list(withdrawn_against(found)),
        "created_at": created_at(found),
        "mlflow_url": version_link(found),
        "lineage": lineage_panel(lineage_of(found.uri)),
        "panels": [evidence_panel(item) for item in evidence],
        "jobs": jobs,
        "alias": alias,
        "binding": evaluation.binding,
        "states": asks_people(evaluation.binding),
        "verdict": decision.verdict.value if decision is not None else "deny",
        "gates": gate_rows(
            [gate.to_mapping() for gate in decision.gates],
            evidence,
            "#lineage",
            found,
            evaluation.binding,
        )
        if decision is not None
        else [],
        "approvals": decision.approvals if decision is not None else None,
        "promotions": promotions,
        "entries": list(entries_about(found)),
        "checkpoint": latest_checkpoint(),
        "may_request": refusal is None
        and evaluation.binding is not None
        and found.gone_at is None
        and (alias not in holds or is_reviewed_again(found, alias))
        and not is_open,
        "can_bind": Role.ADMIN in person_of(request).roles,
        "request_refusal": refusal.reason if refusal else "",
        "holds_alias": alias in holds,
        "is_open": is_open,
        "report": latest_report_of(found.uri),
        "report_job": report_job(found.uri),
        "rollbacks": [
            (row, f"rollback_{shown_status(row, timezone.now())}")
            for row in list_rollbacks(found)[:MOST_ROLLBACKS]
        ],
        "recomputation": recomputation,
        "set_panel": set_panel(
            found.registered_model,
            document_of(evaluation.binding.policy) if evaluation.binding else None,
            jobs,
        ),
        "may_audit": found.gone_at is None and not set(ROLES).isdisjoint(person_of(request).roles),
        "changed_datasets": changed_datasets(found.uri),
        "recomputation_look": look_of_recomputation(recomputation) if recomputation else "",
        "goes_back_from": could_go_back_from(found, alias),
        "default_days": DEFAULT_VALID_DAYS,
        "most_days": MAX_VALID_DAYS,
        "may_report": bool(person_of(request).roles),
    }
    return render(request, "registry/version.html", context)


@require_POST
def ask_promotion(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Request a promotion; the service decides at once whether the policy denies it."""
    promotion = request_promotion(
        version=version_named(name, number, request.GET.get("source", "")),
        alias=request.POST.get("alias", ""),
        note=request.POST.get("note", "").strip(),
        is_emergency=request.POST.get("emergency") == "1",
        actor=actor_from(request),
        now=timezone.now(),
    )
    if promotion.status == "denied":
        messages.warning(request, "The policy denies this promotion. The reasons are below.")
    else:
        messages.success(request, "The promotion is requested.")
    return redirect("registry:promotion", promotion.pk)


@require_safe
def its_promotion(request: HttpRequest, name: str, number: int, alias: str) -> HttpResponse:
    """Go to the newest promotion of a version to an alias, else to where it can be requested.

    Refusals in MLflow link here: the store there knows the version and not its promotions.
    """
    found = version_named(name, number, request.GET.get("source", ""))
    wanted = alias.lower()
    newest = next((one for one in promotions_of(found) if one.alias.lower() == wanted), None)
    if newest is not None:
        return redirect("registry:promotion", newest.pk)
    page = reverse("registry:version", args=[name, number])
    query = request.GET.urlencode()
    return redirect(f"{page}?{query}" if query else page)
