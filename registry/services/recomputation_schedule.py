"""Recomputing what is served again and again, a few at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef, Subquery

from audits.domain.actor import SCHEDULER
from lineage.domain.recomputation import OPEN_STATUSES, RecomputationStatus
from lineage.models import LineageRecord, Recomputation
from registry.services.data_watch import served_versions
from registry.services.recomputation_orders import order_recomputation

# So few that one that a person orders never waits behind all champions.
MAX_OPEN: Final = 3
# One that failed, or was cancelled, is not ordered again before.
_REST: Final = timedelta(days=1)


def order_recomputations_of_champions(*, days: int, now: datetime) -> int:
    """Order the recomputation of champions that had none for so long; return of how many.

    Of those whose training was captured: of the others nothing could be learned. None while
    enough that nobody asked for are open.

    Args:
        days: 0 is never.
    """
    open_ones = Recomputation.objects.filter(status__in=OPEN_STATUSES, requested_by=None)
    room = MAX_OPEN - open_ones.count()
    if days <= 0 or room <= 0:
        return 0
    of_version = Recomputation.objects.filter(version_uri=OuterRef("uri"))
    newest_record = LineageRecord.objects.filter(version_uri=OuterRef("uri")).order_by("-entry_id")
    due = (
        served_versions()
        .filter(
            ~Exists(
                of_version.filter(
                    status=RecomputationStatus.DONE, created_at__gte=now - timedelta(days=days)
                )
            ),
            ~Exists(of_version.filter(created_at__gte=now - _REST)),
            ~Exists(of_version.filter(status__in=OPEN_STATUSES)),
        )
        .annotate(capture=Subquery(newest_record.values("facts__capture__format")[:1]))
        .filter(capture__isnull=False)
        .order_by("pk")[:room]
    )
    ordered = 0
    for version in due:
        _, is_new = order_recomputation(
            version=version, requested_by=None, actor=SCHEDULER, now=now
        )
        ordered += is_new
    return ordered
