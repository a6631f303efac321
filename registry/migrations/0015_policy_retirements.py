"""Policies can be retired: a new table of facts, so that the release before goes on."""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.db import migrations, models

from audits.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0014_review_assignments"),
    ]

    operations = [
        migrations.CreateModel(
            name="PolicyRetirement",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("retired_at", models.DateTimeField()),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="audits.logentry",
                    ),
                ),
                (
                    "policy",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="retirement",
                        to="registry.policy",
                    ),
                ),
            ],
            options={"db_table": "registry_policy_retirement_record"},
        ),
        append_only("registry_policy_retirement_record"),
    ]
