"""An emergency may go forward too. A wider constraint: no row breaks it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0016_policy_drafts")]

    operations = [
        migrations.RemoveConstraint(model_name="promotion", name="promotion_emergency"),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(("emergency__in", ["", "rollback", "forward"])),
                name="promotion_emergency",
            ),
        ),
    ]
