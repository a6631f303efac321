"""Indexes for the log's filters by actor, time and violation, built while the log is written to."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audits", "0004_log_tiles")]
    operations = [
        AddIndexConcurrently(
            "logentry", models.Index(fields=["actor_id", "-id"], name="log_entry_actor")
        ),
        AddIndexConcurrently("logentry", models.Index(fields=["at", "-id"], name="log_entry_at")),
        AddIndexConcurrently(
            "logentry",
            models.Index(
                fields=["-id"],
                condition=models.Q(is_violation=True),
                name="log_entry_violation",
            ),
        ),
    ]
