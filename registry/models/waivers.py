"""Waivers: signed, expiring exceptions to one gate of one version."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from audits.models import LogEntry
from registry.models.mirror import ModelVersion
from registry.models.promotions import Policy


class GateWaiver(models.Model):
    """Somebody signed that one gate need not hold for one version until a moment."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="waivers")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    gate_id = models.CharField(max_length=100)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=20)
    reason_commitment = models.CharField(max_length=64)
    granted_at = models.DateTimeField()
    until = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_waiver_record"
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("granted_at")), name="waiver_ends_later")
        ]
        indexes = [models.Index(fields=["version", "policy"], name="waiver_of_version")]


class WaiverRevocation(models.Model):
    """A waiver that was taken back before its end."""

    waiver = models.OneToOneField(GateWaiver, on_delete=models.PROTECT, related_name="revocation")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason_commitment = models.CharField(max_length=64)
    at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_waiver_revocation_record"
