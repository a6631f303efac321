"""Jobs that scan a version. What may stand in the column is a matter of the code alone."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audits", "0006_job_lease")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("lineage", "Lineage"),
                    ("predictions_audit", "Predictions Audit"),
                    ("set_audit", "Set Audit"),
                    ("scan", "Scan"),
                    ("report", "Report"),
                ],
                max_length=30,
            ),
        ),
    ]
