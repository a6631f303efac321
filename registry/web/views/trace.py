"""Tracing an artifact: which versions were made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lineage.domain.graph import MAX_KEY, is_digest
from registry.domain.withdrawal import ROLES as WITHDRAWERS
from registry.errors import TraceNotUnderstood
from registry.selectors.trace import (
    ROLES,
    Traced,
    TraceFilter,
    explain,
    explain_all,
    trace,
    versions_depending_on,
)
from registry.web.csv_lines import csv_answer
from registry.web.people import actor_from
from registry.web.trace_words import role_words

PAGE_SIZE = 50
# The artifacts that fit are named so far; the CSV and the API have the rest.
MOST_NODES_SHOWN = 10
CSV_COLUMNS = (
    *("source", "model", "version", "version_uri", "champion", "gone_at"),
    *("used_as", "through", "log_entry"),
)


@require_safe
def trace_page(request: HttpRequest) -> HttpResponse:
    """Show what depends on a dataset, a commit, a package or a model."""
    text, wanted = _text(request), TraceFilter.from_query(request.GET)
    context: dict[str, Any] = {
        "text": text,
        "wanted": wanted,
        "roles": [(role, role_words(role)) for role in ROLES],
        "may_withdraw": not actor_from(request).roles.isdisjoint(WITHDRAWERS),
    }
    if not text:
        return render(request, "registry/trace.html", context)
    try:
        traced = trace(text, wanted)
    except TraceNotUnderstood as error:
        return render(request, "registry/trace.html", {**context, "problem": error}, status=400)
    page = Paginator(versions_depending_on(traced), PAGE_SIZE).get_page(request.GET.get("page"))
    context |= {
        "nodes": [
            (node.key, traced.kinds[node.key], traced.names[node.key], is_digest(node.key))
            for node in traced.nodes[:MOST_NODES_SHOWN]
        ],
        "nodes_left_out": max(0, len(traced.nodes) - MOST_NODES_SHOWN),
        "page_obj": page,
        "rows": [
            (row, [role_words(role) for role in row.roles])
            for row in explain(traced, list(page.object_list))
        ],
    }
    return render(request, "registry/trace.html", context)


@require_safe
def trace_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Stream every version that depends on an artifact."""
    traced = trace(_text(request), TraceFilter.from_query(request.GET))
    return csv_answer("muniment-trace", CSV_COLUMNS, _rows(traced))


def _text(request: HttpRequest) -> str:
    return request.GET.get("of", "").replace("\x00", "").strip()[:MAX_KEY]


def _rows(traced: Traced) -> Iterator[tuple[object, ...]]:
    for row in explain_all(traced):
        version, model = row.version, row.version.registered_model
        yield (
            *(model.source_id, model.name, version.version, version.uri),
            *("yes" if row.is_champion else "no", version.gone_at),
            *(", ".join(row.roles), ", ".join(row.through), row.record.entry.sha256),
        )
