"""Drafts of policies: texts that somebody is working on, which decide nothing."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class PolicyDraft(models.Model):
    """One document in the making; `revision` grows with each edit.

    `title` is what it calls itself, or that it cannot say so yet.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    document = models.TextField()
    title = models.CharField(max_length=120)
    revision = models.PositiveIntegerField(default=1)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    edited_at = models.DateTimeField()

    class Meta:
        db_table = "registry_policy_draft"
        indexes = [models.Index(fields=["-edited_at"], name="policy_draft_newest")]
