"""Waivers and their revocations.

Only new tables: a running process of the release before goes on.
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
        ("registry", "0009_approval_signature"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="GateWaiver",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("gate_id", models.CharField(max_length=100)),
                ("role", models.CharField(max_length=20)),
                ("reason_commitment", models.CharField(max_length=64)),
                ("granted_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
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
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.policy",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="waivers",
                        to="registry.modelversion",
                    ),
                ),
            ],
            options={
                "db_table": "registry_waiver_record",
            },
        ),
        migrations.CreateModel(
            name="WaiverRevocation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason_commitment", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
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
                    "waiver",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revocation",
                        to="registry.gatewaiver",
                    ),
                ),
            ],
            options={
                "db_table": "registry_waiver_revocation_record",
            },
        ),
        migrations.AddIndex(
            model_name="gatewaiver",
            index=models.Index(fields=["version", "policy"], name="waiver_of_version"),
        ),
        migrations.AddConstraint(
            model_name="gatewaiver",
            constraint=models.CheckConstraint(
                condition=models.Q(("until__gt", models.F("granted_at"))), name="waiver_ends_later"
            ),
        ),
        append_only("registry_waiver_record"),
        append_only("registry_waiver_revocation_record"),
    ]
