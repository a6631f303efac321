"""Reviewers may ask for changes, and what was taken back does not stand in another verdict's way.

A longer column and wider constraints: a running process of the release before goes on. On the way
back, rows that only the wider ones allow would stop the migration: facts are not deleted.
"""

from __future__ import annotations

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0011_certificates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="approval",
            name="approval_verdict",
        ),
        migrations.RemoveConstraint(
            model_name="approval",
            name="approval_once",
        ),
        migrations.AlterField(
            model_name="approval",
            name="verdict",
            field=models.CharField(max_length=20),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["approve", "refuse", "request_changes"])),
                name="approval_verdict",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.UniqueConstraint(
                fields=("promotion", "person", "evidence_digest", "verdict"), name="approval_once"
            ),
        ),
    ]
