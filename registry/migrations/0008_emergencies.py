"""Emergencies: promotions that one signature moves at once, and those signatures.

A new table, and a column with a default in the database: a running process of the release before
goes on.
"""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from audits.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0007_withdrawals"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="promotion",
            name="emergency",
            field=models.CharField(blank=True, db_default="", default="", max_length=10),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(("emergency__in", ["", "rollback"])), name="promotion_emergency"
            ),
        ),
        migrations.CreateModel(
            name="EmergencyApproval",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("signed_at", models.DateTimeField()),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="audits.logentry",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "promotion",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="emergency_approvals",
                        to="registry.promotion",
                    ),
                ),
            ],
            options={
                "db_table": "registry_emergency_approval",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["promotion", "person"], name="emergency_signed_once_each"
                    )
                ],
            },
        ),
        append_only("registry_emergency_approval"),
    ]
