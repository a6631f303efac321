"""The graph of one version, and two versions compared leg by leg."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from audits.domain.lineage_chart import lineage_chart
from audits.selectors import latest_checkpoint
from lineage.models import LineageRecord
from registry.models import ModelVersion
from registry.selectors.lookups import version_named
from registry.selectors.trace import made_from
from registry.selectors.version_graph import (
    compare_versions,
    drawn_dependencies,
    drawn_legs,
    failed_legs,
    records_of,
)
from registry.selectors.versions import lineage_of
from registry.services.violations import withdrawn_against
from registry.web.lineage_words import lineage_panel
from registry.web.trace_words import role_words

# So many are shown; the interface has all of them.
MOST_ROWS = 200


@require_safe
def graph(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show what a version was made of: the picture, every artifact, the records behind it."""
    found = version_named(name, number, request.GET.get("source", ""))
    record = lineage_of(found.uri)
    failing = failed_legs(found)
    withdrawn = {row.withdrawal.dataset for row in withdrawn_against(found)}
    ingredients = made_from(found)
    context = {
        "version": found,
        "model": found.registered_model,
        "lineage": lineage_panel(record),
        "picture": _picture(found, record, failing, withdrawn) if record else "",
        "failing": failing,
        "rows": [
            (one, role_words(one.role), one.key in withdrawn) for one in ingredients[:MOST_ROWS]
        ],
        "left_out": max(0, len(ingredients) - MOST_ROWS),
        "records": records_of(found),
        "checkpoint": latest_checkpoint(),
    }
    return render(request, "registry/version_graph.html", context)


@require_safe
def compare(request: HttpRequest, name: str, number: int, other: int) -> HttpResponse:
    """Compare a version with another leg by leg; of another model where the address names one."""
    source = request.GET.get("source", "")
    after = version_named(name, number, source)
    other_name = request.GET.get("model", "") or name
    other_source = request.GET.get("other_source", "") or (source if other_name == name else "")
    before = version_named(other_name, other, other_source)
    compared = compare_versions(before, after)
    context = {
        "after": after,
        "before": before,
        "model": after.registered_model,
        "compared": compared,
        "is_same": bool(compared.legs) and not any(leg.changes for leg in compared.legs),
    }
    return render(request, "registry/compare.html", context)


@require_safe
def compare_with(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Go to the comparison that a form on the page of the graph asks for."""
    text = request.GET.get("with", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Http404("There is no such version. Write the number of one.")
    page = reverse("registry:compare", args=[name, number, int(text)])
    query = {key: request.GET[key] for key in ("source", "model") if request.GET.get(key)}
    return redirect(f"{page}?{urlencode(query)}" if query else page)


def _picture(
    version: ModelVersion, record: LineageRecord, failing: Any, withdrawn: set[str]
) -> str:
    parameters = record.facts.get("parameters") or {}
    count = len(parameters)
    words = [f"{count} parameter{'' if count == 1 else 's'}"] if count else []
    if record.facts.get("seed") is not None:
        words.append(f"seed {record.facts['seed']}")
    picture = lineage_chart(
        f"{version.registered_model.name} v{version.version}",
        drawn_legs(record),
        drawn_dependencies(record),
        configuration=", ".join(words),
        failing=dict.fromkeys(failing, "Failed when repeated"),
        withdrawn=withdrawn,
    )
    return mark_safe(picture)  # noqa: S308 - our own SVG, every text in it escaped
