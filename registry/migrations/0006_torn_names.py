"""A source remembers the names about which its last walk contradicted itself; none of before."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0005_restore_grants")]

    operations = [
        migrations.AddField(
            model_name="registrysource",
            name="torn",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
    ]
