"""Signatures under which an alias moves at once, without the approvals that a policy asks for."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from audits.models import LogEntry
from registry.models.promotions import Promotion


class EmergencyApproval(models.Model):
    """Somebody's signature under an emergency: what they saw that the move would fail, and why."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, related_name="emergency_approvals"
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_emergency_approval"
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "person"], name="emergency_signed_once_each"
            )
        ]
