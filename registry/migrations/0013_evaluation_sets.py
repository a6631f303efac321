"""Registered evaluation sets, and which one a model is audited with.

Only new tables: a running process of the release before goes on.
"""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from audits.append_only import append_only


def _person() -> models.ForeignKey:
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


def _entry() -> models.OneToOneField:
    return models.OneToOneField(
        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="audits.logentry"
    )


def _id() -> models.UUIDField:
    return models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0006_job_lease"),
        ("registry", "0012_review_verdicts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="EvaluationSet",
            fields=[
                ("id", _id()),
                ("name", models.SlugField(max_length=60)),
                ("version", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=80)),
                ("media", models.CharField(max_length=60)),
                ("rows", models.BigIntegerField()),
                ("columns", models.JSONField()),
                ("registered_at", models.DateTimeField()),
                ("entry", _entry()),
                ("registered_by", _person()),
            ],
            options={
                "db_table": "registry_evaluation_set_record",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "version"), name="evaluation_set_version"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EvaluationSetBinding",
            fields=[
                ("id", _id()),
                ("bound_at", models.DateTimeField()),
                ("bound_by", _person()),
                ("entry", _entry()),
                (
                    "evaluation_set",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bindings",
                        to="registry.evaluationset",
                    ),
                ),
                (
                    "registered_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evaluation_sets",
                        to="registry.registeredmodel",
                    ),
                ),
            ],
            options={
                "db_table": "registry_evaluation_set_binding_record",
                "indexes": [
                    models.Index(
                        fields=["registered_model", "-entry"], name="evaluation_set_of_model"
                    )
                ],
            },
        ),
        append_only("registry_evaluation_set_record"),
        append_only("registry_evaluation_set_binding_record"),
    ]
