"""A grant may be for undoing one change of a violation instead of for a promotion.

Every grant of before is a promotion's, and so satisfies the constraint. Backwards only while no
grant is for a violation.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_rollback_grants")]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="change_sha256",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="grant",
            name="violation",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="grants",
                to="registry.violation",
            ),
        ),
        migrations.AlterField(
            model_name="grant",
            name="promotion",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="grants",
                to="registry.promotion",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=Q(promotion__isnull=False, violation__isnull=True, change_sha256="")
                | (Q(promotion__isnull=True, violation__isnull=False) & ~Q(change_sha256="")),
                name="grant_of_one_thing",
            ),
        ),
    ]
