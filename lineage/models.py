"""The lineage record of each version, and the places that its parts may be opened from.

A record is a fact, superseded by a later one, never edited.
"""

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


class AllowedPlace(models.Model):
    """A prefix that an admin allowed for what the runs of one registry source name.

    Credentials are never kept here: only the environment variables that hold them.
    """

    class Kind(models.TextChoices):
        DATA = "data"
        CODE = "code"

    # The registry source's name; registry stands above this app, so there is no foreign key.
    source_name = models.SlugField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    prefix = models.CharField(max_length=1_000)
    is_immutable = models.BooleanField(default=False)
    options = models.JSONField(default=dict)
    credentials = models.JSONField(default=dict)  # {"key": "RISK_S3_KEY", ...}
    allowed_at = models.DateTimeField()

    class Meta:
        db_table = "lineage_allowed_place"
        constraints = [
            models.UniqueConstraint(
                fields=["source_name", "kind", "prefix"], name="lineage_allowed_place_once"
            )
        ]
