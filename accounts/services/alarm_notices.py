"""Alarms become notices. Alarms are rows, so that following them loses none."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse

from accounts.domain.alarms import alarm_subject, alarm_topic
from accounts.models import Notice
from accounts.services.notices import post_notice, settle_notice
from audits.models import Alarm
from audits.services.alarms import REGISTRY_ROLLBACKS, REGISTRY_VIOLATIONS

# An alarm that was over for longer than this when somebody first looked is told to nobody.
LOOK_BACK = timedelta(days=30)


def follow_alarms(*, now: datetime) -> None:
    """Bring the notices to what the alarms say: one notice for each time that one was raised.

    An alarm that is raised again while it is open is the same row, and so the same notice; one
    that was cleared in between is another. Whoever dies here is followed by the next run.
    """
    alarms = list(
        Alarm.objects.filter(
            Q(cleared_at__isnull=True) | Q(cleared_at__gte=now - LOOK_BACK)
        ).order_by("raised_at")
    )
    keys = {f"alarm:{alarm.pk}": alarm for alarm in alarms}
    known = {
        notice.dedup_key: notice
        for notice in Notice.objects.filter(dedup_key__in=keys).only(
            "dedup_key", "text", "settled_at"
        )
    }
    for key, alarm in keys.items():
        notice = known.get(key)
        if notice is None or (notice.settled_at is None and notice.text != alarm.message):
            _post(key, alarm, now)
        if alarm.cleared_at and (notice is None or notice.settled_at is None):
            settle_notice(dedup_key=key, now=alarm.cleared_at)


def _path(code: str) -> str:
    if code == REGISTRY_VIOLATIONS:
        return reverse("registry:violations")
    if code == REGISTRY_ROLLBACKS:
        return reverse("registry:rollbacks")
    return reverse("audits:log-health")


def _post(key: str, alarm: Alarm, now: datetime) -> None:
    topic = alarm_topic(alarm.code)
    post_notice(
        kind=topic.kind,
        subject=alarm_subject(alarm.code),
        text=alarm.message,
        path=_path(alarm.code),
        audience=topic.audience,
        dedup_key=key,
        now=now,
    )
