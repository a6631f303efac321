"""The lineage record of each version: a fact, superseded by a later one, never edited."""

from __future__ import annotations

import uuid

from django.db import models

from audits.models import LogEntry


class LineageRecord(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version_uri = models.CharField(max_length=500)
    stream = models.CharField(max_length=450)
    subject_digest = models.CharField(max_length=80)
    run_id = models.CharField(max_length=64, blank=True)
    legs = models.JSONField()  # {"code": {"grade", "reason", ...}, "data": ..., ...}
    facts = models.JSONField()  # parameters, metrics, commit, remote, data set, packages
    artifacts = models.JSONField()  # {path: sha256}
    recorded_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="lineage_record")

    class Meta:
        db_table = "lineage_record"
        indexes = [models.Index(fields=["version_uri", "-recorded_at"], name="lineage_record_of")]
