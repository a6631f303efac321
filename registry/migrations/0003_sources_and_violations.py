"""How each registry source is reached and watched, and the changes that nothing allowed.

Only columns with defaults and new tables: a running process of the release before goes on.
"""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="hashed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="ca_bundle",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="connect_timeout_seconds",
            field=models.FloatField(db_default=3.0, default=3.0),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="failing_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="gatekeeper_seen_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="hash_bytes_per_second",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="on_violation",
            field=models.CharField(
                choices=[("alarm", "Alarm"), ("revert", "Revert")],
                db_default="alarm",
                default="alarm",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="password_variable",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="public_url",
            field=models.URLField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="read_timeout_seconds",
            field=models.FloatField(db_default=60.0, default=60.0),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="token_variable",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="username_variable",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="registrysource",
            name="webhook_secret_variable",
            field=models.CharField(
                db_default="MUNIMENT_WEBHOOK_SECRET",
                default="MUNIMENT_WEBHOOK_SECRET",
                max_length=100,
            ),
        ),
        migrations.CreateModel(
            name="ModeRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("pattern", models.CharField(max_length=256)),
                (
                    "mode",
                    models.CharField(
                        choices=[("observe", "observe"), ("warn", "warn"), ("enforce", "enforce")],
                        max_length=10,
                    ),
                ),
                ("set_at", models.DateTimeField()),
                (
                    "set_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mode_rules",
                        to="registry.registrysource",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("source", "pattern"), name="one_mode_a_pattern")
                ],
            },
        ),
        migrations.CreateModel(
            name="Violation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("event", models.CharField(max_length=40)),
                ("alias", models.CharField(blank=True, max_length=256)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("undone", "undone"),
                            ("accepted", "accepted"),
                            ("superseded", "superseded"),
                        ],
                        max_length=10,
                    ),
                ),
                ("can_be_undone", models.BooleanField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("failure", models.TextField(blank=True)),
                ("found_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="violation",
                        to="audits.logentry",
                    ),
                ),
                (
                    "registered_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="violations",
                        to="registry.registeredmodel",
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="violations",
                        to="registry.modelversion",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["registered_model", "-found_at"], name="violation_of_model"
                    ),
                    models.Index(
                        models.OrderBy(models.F("found_at"), descending=True),
                        condition=models.Q(("status", "open")),
                        name="violation_open",
                    ),
                ],
            },
        ),
        migrations.AlterField(
            model_name="aliaschange",
            name="entry",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="audits.logentry",
            ),
        ),
    ]
