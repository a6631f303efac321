"""Names about which a walk contradicted itself: since when, and whether adoption waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings

from audits.domain.log_wording import duration_words
from audits.services.alarms import REGISTRY_TORN, clear_alarm, raise_alarm
from registry.models import RegistrySource

# The alarm names so many.
_NAMED = 3
# So many are remembered of a source; MLflow's own tears are a few, and gone with the next walk.
MAX_TORN = 1000


def creation_times_seen(source: RegistrySource) -> dict[str, int]:
    """Return the names that the last walk left, with the creation time that it saw the model with.

    A model that is listed with the same time again had its name when that walk ended, and so when
    the next one began: what that one lists of it is its own.
    """
    return {name: held["born"] for name, held in source.torn.items() if held["born"] is not None}


def still_adopted(source: RegistrySource) -> frozenset[str]:
    """Return the names that the first walk left, and every walk since, for so long as alarms wait.

    What appears of them was there before Muniment watched, as far as anybody can know.
    """
    return frozenset(name for name, held in source.torn.items() if held["adopting"])


def note_torn(*, source: RegistrySource, found: Mapping[str, int | None], now: datetime) -> None:
    """Remember what a walk left; alarm where that goes on for `MUNIMENT_MIRROR_ALARM_SECONDS`.

    Nobody would see otherwise that what happens to these models is not mirrored. The alarm is
    over when no name of any source was torn for so long. Call it at the end of every walk.

    Args:
        source: as it was before this walk.
        found: the torn names with the creation times that the walk saw, None where it saw none.
    """
    noted = {}
    for name in sorted(found, key=lambda name: (name not in source.torn, name))[:MAX_TORN]:
        held = source.torn.get(name)
        is_young = held is None or not _is_long(held, now)
        noted[name] = {
            "since": held["since"] if held else now.isoformat(),
            "born": found[name],
            # Not for ever: who tears a name on purpose must not have it adopted later.
            "adopting": is_young and (held["adopting"] if held else source.walked_at is None),
        }
    if noted != source.torn:
        RegistrySource.objects.filter(pk=source.pk).update(torn=noted)
    _refresh_alarm(now)


def _refresh_alarm(now: datetime) -> None:
    torn = RegistrySource.objects.exclude(torn={}).order_by("name").values_list("torn", flat=True)
    names = [name for noted in torn for name, held in noted.items() if _is_long(held, now)]
    if not names:
        clear_alarm(REGISTRY_TORN, now=now)
        return
    more = " and more" if len(names) > _NAMED else ""
    raise_alarm(
        REGISTRY_TORN,
        f"MLflow contradicts itself about {', '.join(names[:_NAMED])}{more}, for longer than "
        f"{duration_words(timedelta(seconds=settings.MIRROR_ALARM_SECONDS))}: not all that changes "
        "there is seen. Look in MLflow's database for versions without a model, versions older "
        "than theirs, aliases without a version and rows that are there twice; the worker's log "
        "says at mirror.torn which it is.",
        now=now,
    )


def _is_long(held: Mapping[str, str], now: datetime) -> bool:
    limit = timedelta(seconds=settings.MIRROR_ALARM_SECONDS)
    return now - datetime.fromisoformat(held["since"]) >= limit
