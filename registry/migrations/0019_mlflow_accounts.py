"""Whose the accounts of MLflow are: a table that the release before neither knows nor misses."""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0018_findings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="MlflowAccount",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("account", models.CharField(max_length=255)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("person", "A person's own"),
                            ("service", "A service's, mapped to its owner"),
                        ],
                        default="person",
                        max_length=10,
                    ),
                ),
                ("mapped_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="accounts",
                        to="registry.registrysource",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "account"), name="mlflow_account_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["person", "service"])),
                        name="mlflow_account_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("person__isnull", True), ("mapped_at__isnull", False), _connector="OR"
                        ),
                        name="mlflow_account_mapped_when",
                    ),
                ],
            },
        ),
    ]
