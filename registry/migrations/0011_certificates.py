"""Certificates of executed promotions.

Only a new table: a running process of the release before goes on, and issues none.
"""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.db import migrations, models

from audits.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0010_waivers"),
    ]

    operations = [
        migrations.CreateModel(
            name="Certificate",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("issued_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="audits.logentry",
                    ),
                ),
                (
                    "promotion",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="certificate",
                        to="registry.promotion",
                    ),
                ),
            ],
            options={"db_table": "registry_certificate_record"},
        ),
        append_only("registry_certificate_record"),
    ]
