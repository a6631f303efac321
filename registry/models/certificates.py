"""Certificates of executed promotions."""

from __future__ import annotations

import uuid

from django.db import models

from audits.models import LogEntry
from registry.models.promotions import Promotion


class Certificate(models.Model):
    """That a promotion was executed, as the log states it for whoever serves the model."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    promotion = models.OneToOneField(
        Promotion, on_delete=models.PROTECT, related_name="certificate"
    )
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_certificate_record"
