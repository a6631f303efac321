"""What the frame around every page says: how fresh the mirror is, how the log is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from audits.domain.log_wording import alarm_title
from audits.errors import SettingsRefused
from audits.log_health import open_alarms
from audits.selectors import latest_checkpoint
from audits.services.alarms import (
    REGISTRY_POLICY_RETIRED,
    REGISTRY_ROLLBACKS,
    REGISTRY_VIOLATIONS,
    REGISTRY_WITHDRAWN,
)
from registry.models import RegistrySource

# Two walks may be missed before anybody is told.
MISSED_WALKS = 2
GRACE = timedelta(minutes=1)
# For so long an alarm interrupts whoever listens to the page; then it is only there.
NEW_ALARM = timedelta(minutes=15)
_PAGES: Mapping[str, tuple[str, str]] = {
    REGISTRY_VIOLATIONS: ("registry:violations", "See the violations"),
    REGISTRY_ROLLBACKS: ("registry:rollbacks", "See the rollback grants"),
    REGISTRY_POLICY_RETIRED: ("registry:policies", "See the policies"),
    REGISTRY_WITHDRAWN: ("registry:withdrawals", "See the withdrawn datasets"),
}


@dataclass(frozen=True, slots=True)
class MirrorAge:
    """How fresh our picture of one registry source is.

    Attributes:
        walked_at: when it was last read whole; None: never.
        failure: why the last try failed; empty where it did not.
        is_late: two walks or more were missed.
    """

    source: str
    walked_at: datetime | None
    failure: str
    is_late: bool

    @property
    def is_stale(self) -> bool:
        """Whether people have to be told that what they see may be out of date."""
        return self.is_late or bool(self.failure)


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """An alarm that everybody is shown until it is cleared: what happened, and since when.

    Attributes:
        page: the name of the page where something can be done about it; empty where there is none.
        link: what a link to that page says.
    """

    title: str
    raised_at: datetime
    is_new: bool
    page: str
    link: str


def alarm_notices(now: datetime) -> tuple[AlarmNotice, ...]:
    """Return the open alarms, the oldest first."""
    return tuple(
        AlarmNotice(
            alarm_title(alarm.code, alarm.message),
            alarm.raised_at,
            now - alarm.raised_at < NEW_ALARM,
            *_page_of(alarm.code),
        )
        for alarm in open_alarms()
    )


def _page_of(code: str) -> tuple[str, str]:
    log_health = ("audits:log-health", "See the log’s health")
    return _PAGES.get(code) or (log_health if code.startswith("log.") else ("", ""))


def mirror_ages(now: datetime) -> tuple[MirrorAge, ...]:
    """Say of each registry source when it was last read whole, and whether that is too long ago."""
    limit = timedelta(seconds=settings.MIRROR_WALK_SECONDS * MISSED_WALKS) + GRACE
    return tuple(
        MirrorAge(
            source=source.name,
            walked_at=source.walked_at,
            failure=source.failure if source.failed_at is not None else "",
            is_late=source.walked_at is None or now - source.walked_at > limit,
        )
        for source in RegistrySource.objects.order_by("name")
    )


def log_tree_size() -> int:
    """Return the size of the newest signed tree, 0 while none may be handed out."""
    try:
        checkpoint = latest_checkpoint()
    except SettingsRefused:  # pages stay readable, and the log's health says what is wrong
        return 0
    return checkpoint.tree_size if checkpoint else 0
