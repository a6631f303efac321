"""Local Law 144's tables of one bias audit, as a download."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from audits.domain.ll144 import Publication, read_publication
from audits.domain.names import UNKNOWN
from audits.models import Evidence
from registry.web.csv_lines import csv_answer


@require_safe
def ll144_csv(request: HttpRequest, evidence_id: UUID) -> StreamingHttpResponse:
    """Download the tables, one line a category; the people in none are a line of each table."""
    found = get_object_or_404(Evidence, pk=evidence_id)
    publication = read_publication(found.measurements)
    if publication is None:
        raise Http404("This evidence holds no tables of Local Law 144.")
    selected = "scored_above" if publication.is_scored else "selected"
    rate = "scoring_rate" if publication.is_scored else "selection_rate"
    columns = ("table", "category", "applicants", selected, rate, "impact_ratio", "excluded")
    return csv_answer("ll144", columns, _lines(publication))


def _lines(publication: Publication) -> Iterator[tuple[object, ...]]:
    for table in publication.tables:
        for row in table.categories:
            excluded = publication.excluded_because if row.is_excluded else ""
            yield (
                *(table.name, row.name, row.applicants, row.selected),
                *(row.rate, row.impact_ratio, excluded),
            )
        yield (table.name, UNKNOWN, table.unknown, None, None, None, "")
