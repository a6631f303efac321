"""Recomputations: of one version, of one version the newest, and one."""

from __future__ import annotations

from django.db.models import QuerySet

from lineage.models import Recomputation


def list_recomputations(version_uri: str = "") -> QuerySet[Recomputation]:
    """Return recomputations, the newest first; of one version where it is named."""
    found = Recomputation.objects.select_related("record__entry", "evidence__entry__leaf").defer(
        "log_tail", "record__facts", "record__artifacts", "record__legs"
    )
    if version_uri:
        found = found.filter(version_uri=version_uri)
    return found.order_by("-created_at", "pk")
