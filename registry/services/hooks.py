"""MLflow's webhooks: checked, then taken as a hint to look again, never as the truth."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F

from audits.models import RefusalCount
from registry.errors import HookRefused
from registry.models import WebhookDelivery

TOLERANCE = timedelta(minutes=5)
KEEP_COUNTS = timedelta(days=30)

logger = structlog.get_logger(__name__)


def accept_delivery(
    *,
    delivery_id: str,
    timestamp: str,
    signature: str,
    body: bytes,
    secret: str,
    now: datetime,
) -> bool:
    """Check one delivery; return whether it is new (a replayed delivery id is not).

    The signature is `v1,<base64>` of HMAC-SHA256 over `{delivery_id}.{timestamp}.{body}`.

    Args:
        timestamp: seconds since 1970, at most five minutes from `now`.

    Raises:
        HookRefused: no or a wrong signature, or a time too far off; nothing was done.
    """
    if not secret:
        raise HookRefused(
            "No webhook secret is configured for this address, so no delivery can be trusted."
        )
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(
        hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    ).decode("ascii")
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise HookRefused("The delivery's signature is missing or wrong.")
    try:
        sent_at = int(timestamp)
        delivery = UUID(delivery_id)
    except ValueError as error:
        raise HookRefused("The delivery's id or timestamp is malformed.") from error
    # In integers: a signed timestamp of 400 digits is no float.
    if abs(int(now.timestamp()) - sent_at) > TOLERANCE.total_seconds():
        raise HookRefused("The delivery's timestamp is more than five minutes off.")
    _, is_new = WebhookDelivery.objects.get_or_create(
        delivery_id=delivery, defaults={"received_at": now}
    )
    # An id older than the tolerance cannot be replayed: its timestamp is refused.
    WebhookDelivery.objects.filter(received_at__lt=now - 2 * TOLERANCE).delete()
    return is_new


def count_refusal(*, actor: str, reason: str, now: datetime) -> None:
    """Count a refused request by actor and minute: a line in the ordinary log at the first.

    Strangers must not be able to grow the immutable log, nor the ordinary one.
    """
    minute = now.replace(second=0, microsecond=0)
    with transaction.atomic():
        row, is_first = RefusalCount.objects.get_or_create(
            actor=actor[:100], reason=reason[:60], minute=minute
        )
        if not is_first:
            RefusalCount.objects.filter(pk=row.pk).update(count=F("count") + 1)
    if is_first:
        RefusalCount.objects.filter(minute__lt=now - KEEP_COUNTS).delete()
        logger.warning("request.refused", actor=actor[:100], reason=reason[:60])
