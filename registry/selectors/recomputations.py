"""Recomputations, and the data that they would need."""

from __future__ import annotations

from django.db.models import QuerySet

from lineage.domain.recomputation import OPEN_STATUSES
from lineage.models import DatasetWatch, Recomputation


def list_recomputations(version_uri: str = "") -> QuerySet[Recomputation]:
    """Return recomputations, the newest first; of one version where it is named."""
    found = Recomputation.objects.select_related("record__entry", "evidence__entry__leaf").defer(
        "log_tail", "record__facts", "record__artifacts", "record__legs"
    )
    if version_uri:
        found = found.filter(version_uri=version_uri)
    return found.order_by("-created_at", "pk")


def open_recomputation(version_uri: str) -> Recomputation | None:
    """Return the recomputation of a version that waits or is under way, or None."""
    return list_recomputations(version_uri).filter(status__in=OPEN_STATUSES).first()


def changed_datasets(version_uri: str) -> list[DatasetWatch]:
    """Return the datasets of a version that are not what was recorded, as last seen."""
    return list(
        DatasetWatch.objects.filter(
            version_uri=version_uri, state=DatasetWatch.State.CHANGED
        ).order_by("name")
    )
