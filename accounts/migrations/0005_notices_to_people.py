"""Notices that name people beside roles, and the kind about reviews.

A column with a default in the database: a running process of the release before goes on.
"""

from __future__ import annotations

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_proposals"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="notice",
            name="notice_audience_known",
        ),
        migrations.AddField(
            model_name="notice",
            name="people",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), db_default=[], default=list, size=None
            ),
        ),
        migrations.AlterField(
            model_name="mailrefusal",
            name="kind",
            field=models.CharField(
                choices=[
                    ("log", "Alarms about the log"),
                    ("registry", "Alarms about MLflow"),
                    ("review", "Reviews of yours"),
                ],
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("log", "Alarms about the log"),
                    ("registry", "Alarms about MLflow"),
                    ("review", "Reviews of yours"),
                ],
                max_length=30,
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("audience__contained_by", ["engineer", "reviewer", "auditor", "admin"]),
                    models.Q(("audience", []), ("people", []), _negated=True),
                ),
                name="notice_audience_known",
            ),
        ),
    ]
