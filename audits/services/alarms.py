"""Alarms: what everybody who signs in is shown until it is put right."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from audits.models import Alarm

LOG_BEHIND = "log.behind_checkpoint"
LOG_ENTRIES_REFUSED = "log.entries_refused"
LOG_NOT_SEQUENCED = "log.not_sequenced"
LOG_NOT_VERIFIED = "log.verification_failed"
LOG_NOT_TIMESTAMPED = "log.not_timestamped"
LOG_NOT_WITNESSED = "log.not_witnessed"
REGISTRY_ARTIFACTS_UNREAD = "registry.artifacts_unread"
REGISTRY_CHAMPION_LAPSED = "registry.champion_lapsed"
REGISTRY_DATA_CHANGED = "registry.data_changed"
REGISTRY_DATA_UNREAD = "registry.data_unread"
REGISTRY_VIOLATIONS = "registry.violations"
REGISTRY_ROLLBACKS = "registry.rollbacks"
REGISTRY_UNREACHABLE = "registry.unreachable"
REGISTRY_TORN = "registry.torn"
REGISTRY_POLICY_RETIRED = "registry.policy_retired"
REGISTRY_WITHDRAWN = "registry.withdrawn"

logger = structlog.get_logger(__name__)


def raise_alarm(code: str, message: str, *, now: datetime, using: str = "default") -> None:
    """Raise an alarm, or say of one that is open that it was seen again.

    Args:
        code: one of this module's; there is one open alarm of each at most.
        message: what happened, why, and what to do next, for people.
        using: the database role that writes it.
    """
    with transaction.atomic(using=using):
        seen = (
            Alarm.objects.using(using)
            .filter(code=code, cleared_at__isnull=True)
            .update(message=message, last_seen_at=now)
        )
        if not seen:
            Alarm.objects.using(using).bulk_create(
                [Alarm(code=code, message=message, raised_at=now, last_seen_at=now)],
                ignore_conflicts=True,
            )
            logger.error("alarm.raised", code=code, reason=message)


def clear_alarm(code: str, *, now: datetime, using: str = "default") -> None:
    """Say that what an alarm was about is over; where none is open this does nothing."""
    cleared = (
        Alarm.objects.using(using)
        .filter(code=code, cleared_at__isnull=True)
        .update(cleared_at=now, last_seen_at=now)
    )
    if cleared:
        logger.info("alarm.cleared", code=code)
