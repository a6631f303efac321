"""A review may be signed as member of a group: a longer name, which rewrites no row."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0019_mlflow_accounts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="approval",
            name="role",
            field=models.CharField(max_length=60),
        ),
    ]
