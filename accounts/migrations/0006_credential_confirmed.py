"""Credentials sign when a second person has confirmed them; those that there are go on signing."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_notices_to_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="confirmed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(
            "UPDATE accounts_credential SET confirmed_at = enrolled_at;", migrations.RunSQL.noop
        ),
    ]
