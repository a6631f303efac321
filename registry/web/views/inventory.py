"""The inventory, and its lines as CSV."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from registry.selectors.actions import models_without_policy, promotions_awaiting
from registry.selectors.inventory import (
    PAGE_SIZE,
    STATES,
    InventoryFilter,
    InventoryRow,
    champion_alias,
    inventory_counts,
    inventory_lines,
    inventory_models,
    inventory_rows,
    risk_tiers,
)
from registry.selectors.lookups import address_of
from registry.web.csv_lines import csv_answer
from registry.web.people import person_of

STATE_WORDS = {
    "living": "All models",
    "open": "With an open promotion",
    "crowned": "With a champion",
    "unbound": "Without a policy",
    "violated": "With violations",
    "gone": "Gone from MLflow",
}
CSV_COLUMNS = (
    "model",
    "risk_tier",
    "policy",
    "policy_digest",
    "champion_version",
    "champion_since",
    "newest_version",
    "open_promotion",
    "open_promotion_status",
    "last_evidence",
    "last_evidence_origin",
    "last_evidence_at",
    "violations",
    "gone_at",
)


@require_safe
def inventory(request: HttpRequest) -> HttpResponse:
    """Show every registered model, what needs this person's action first."""
    person = person_of(request)
    wanted = InventoryFilter.from_query(request.GET.dict())
    counts = inventory_counts()
    page = Paginator(inventory_models(wanted), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "wanted": wanted,
        "states": [(state, STATE_WORDS[state], counts[state]) for state in STATES],
        "total": counts["living"] + counts["gone"],
        "tiers": risk_tiers(),
        "page_obj": page,
        "rows": inventory_rows(page.object_list),  # type: ignore[arg-type]  # a sliced QuerySet
        "reviews": list(promotions_awaiting(person)[:20]),
        "unbound": models_without_policy(person),
        "alias": champion_alias(),
    }
    return render(request, "registry/inventory.html", context)


@require_safe
def inventory_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the filtered inventory as CSV."""
    wanted = InventoryFilter.from_query(request.GET.dict())
    name = f"muniment-models-{timezone.now():%Y-%m-%d}"
    return csv_answer(name, CSV_COLUMNS, map(_values, inventory_lines(wanted)))


def _values(row: InventoryRow) -> tuple[object, ...]:
    promotion = row.open_promotion
    return (
        row.name,
        row.risk_tier,
        row.policy,
        row.policy_digest,
        row.champion,
        row.champion_since,
        row.newest_version,
        promotion.version if promotion else None,
        promotion.status if promotion else None,
        row.evidence_conclusion,
        row.evidence_origin,
        row.evidence_at,
        row.violations,
        row.gone_at,
    )


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Lead from a model URI or version URI, as statements carry it, to its page."""
    model, number = address_of(request.GET.get("uri", ""))
    address = (
        reverse("registry:model", args=[model.name])
        if number is None
        else reverse("registry:version", args=[model.name, number])
    )
    return redirect(address + model.source_query)
