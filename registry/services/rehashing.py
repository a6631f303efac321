"""Whose files are hashed again and when, and the alarm where that does not come about."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.core.cache import cache
from django.db.models import Q, QuerySet

from audits.services.alarms import REGISTRY_ARTIFACTS_UNREAD, clear_alarm, raise_alarm
from registry.models import ModelVersion
from registry.services.aliases import is_named_by_governed_alias

# A version that is served is looked at every day, any other one every week.
CHAMPION_AGE: Final = timedelta(days=1)
OTHER_AGE: Final = timedelta(days=7)
# In the cache: losing it costs the versions that are tried in vain one early turn.
_TRIED: Final = "registry:hash-tried:{}"
_TRIED_FOR: Final = CHAMPION_AGE
_CHUNK: Final = 500
# The alarm names so many.
_NAMED: Final = 3


def due_versions(*, now: datetime) -> QuerySet[ModelVersion]:
    """Return the living versions whose files are to be hashed again, champions first.

    Those that have files, by their lineage record; the longest not looked at before the others.
    """
    return (
        ModelVersion.objects.filter(gone_at__isnull=True, hashed_at__isnull=False)
        .annotate(is_named=is_named_by_governed_alias())
        .filter(
            Q(is_named=True, hashed_at__lt=now - CHAMPION_AGE) | Q(hashed_at__lt=now - OTHER_AGE)
        )
        .order_by("-is_named", "hashed_at")
    )


def note_try(version_uri: str) -> None:
    """Remember for a day that hashing was begun; who is due all the same is tried in vain."""
    cache.set(_TRIED.format(version_uri), True, timeout=int(_TRIED_FOR.total_seconds()))


def next_versions(*, now: datetime, limit: int) -> tuple[str, ...]:
    """Return the URIs of those whose turn it is, in order.

    Due ones that were not tried within a day; where they are fewer than `limit`, those that were
    tried in vain after them. However many cannot be read, they keep nobody from a turn.
    """
    fresh: list[str] = []
    tried: list[str] = []
    due = due_versions(now=now).values_list("uri", flat=True).iterator(chunk_size=_CHUNK)
    while len(fresh) < limit and (uris := list(islice(due, _CHUNK))):
        noted = cache.get_many([_TRIED.format(uri) for uri in uris])
        for uri in uris:
            (tried if _TRIED.format(uri) in noted else fresh).append(uri)
    return tuple((fresh + tried)[:limit])


def refresh_unread_alarm(*, now: datetime) -> None:
    """Raise, change or clear the alarm about served files that nobody could look at for long."""
    found = list(
        ModelVersion.objects.filter(
            # One that was named only now was due once a week until then.
            is_named_by_governed_alias(since_before=now - CHAMPION_AGE),
            gone_at__isnull=True,
            hashed_at__lt=now - 2 * CHAMPION_AGE,
        )
        .select_related("registered_model")
        .order_by("hashed_at")[: _NAMED + 1]
    )
    if not found:
        clear_alarm(REGISTRY_ARTIFACTS_UNREAD, now=now)
        return
    named = "; ".join(
        f"{one.registered_model.name} version {one.version}"
        f" (since {one.hashed_at:%Y-%m-%d %H:%M} UTC)"
        for one in found[:_NAMED]
    )
    more = "; and more" if len(found) > _NAMED else ""
    raise_alarm(
        REGISTRY_ARTIFACTS_UNREAD,
        f"Files that a governed alias serves were not hashed again for two days: {named}{more}. "
        "Whether they changed is not known. The worker's log says why each try failed: see that "
        "Muniment may read the artifacts, and that a worker runs.",
        now=now,
    )
