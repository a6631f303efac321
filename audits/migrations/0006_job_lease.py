"""Jobs that take long hold a lease, and say at which step they are.

Columns with a default in the database: a running process of the release before goes on.
"""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audits", "0005_log_filters")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("lineage", "Lineage"),
                    ("predictions_audit", "Predictions Audit"),
                    ("set_audit", "Set Audit"),
                    ("report", "Report"),
                ],
                max_length=30,
            ),
        ),
        migrations.AddField("job", "lease", models.UUIDField(null=True)),
        migrations.AddField(
            "job",
            "step",
            models.CharField(blank=True, default="", db_default="", max_length=30),
        ),
    ]
