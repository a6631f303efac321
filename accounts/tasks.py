"""Celery edges of notices."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from accounts.services.alarm_notices import follow_alarms
from accounts.services.notice_mails import send_due_mails
from accounts.services.proposals import settle_expired_proposals


@shared_task
def post_alarm_notices() -> None:
    """Turn new alarms into notices, and settle those of what is over: alarms, and proposals."""
    now = timezone.now()
    follow_alarms(now=now)
    settle_expired_proposals(now=now)


@shared_task
def send_notice_mails() -> None:
    """Send the e-mails that are due."""
    send_due_mails(clock=timezone.now)
