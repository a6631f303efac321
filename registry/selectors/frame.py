"""What the frame around every page says: how fresh the mirror is, how the log is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from audits.domain.log_wording import alarm_title
from audits.errors import SettingsRefused
from audits.log_health import open_alarms
from audits.selectors import latest_checkpoint
from registry.models import RegistrySource

# Two walks may be missed before anybody is told.
MISSED_WALKS = 2
GRACE = timedelta(minutes=1)
# For so long an alarm interrupts whoever listens to the page; then it is only there.
NEW_ALARM = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class MirrorAge:
    """How fresh our picture of MLflow is; with several sources, of the stalest."""

    walked_at: datetime | None
    failure: str
    is_stale: bool


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """An alarm that everybody is shown until it is cleared: what happened, and since when."""

    title: str
    raised_at: datetime
    is_new: bool


def alarm_notices(now: datetime) -> tuple[AlarmNotice, ...]:
    """Return the open alarms, the oldest first."""
    return tuple(
        AlarmNotice(
            alarm_title(alarm.code, alarm.message),
            alarm.raised_at,
            is_new=now - alarm.raised_at < NEW_ALARM,
        )
        for alarm in open_alarms()
    )


def mirror_age(now: datetime) -> MirrorAge:
    """Say when MLflow was last read whole, and whether that is too long ago."""
    sources = list(RegistrySource.objects.all())
    never = [source for source in sources if source.walked_at is None]
    if not sources or never:
        return MirrorAge(None, never[0].failure if never else "", is_stale=True)
    stalest = min(sources, key=lambda source: source.walked_at or now)
    limit = timedelta(seconds=settings.MIRROR_WALK_SECONDS * MISSED_WALKS) + GRACE
    walked_at = stalest.walked_at
    is_late = walked_at is None or now - walked_at > limit
    failing = [source for source in sources if source.failed_at is not None]
    return MirrorAge(
        walked_at, failing[0].failure if failing else "", is_stale=is_late or bool(failing)
    )


def log_tree_size() -> int:
    """Return the size of the newest signed tree, 0 while none may be handed out."""
    try:
        checkpoint = latest_checkpoint()
    except SettingsRefused:  # pages stay readable, and the log's health says what is wrong
        return 0
    return checkpoint.tree_size if checkpoint else 0
