"""How the person showed who they are, in each approval; those there are were signed by password.

A column with a default: a running process of the release before goes on.
"""

from __future__ import annotations

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0008_emergencies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="approval",
            name="signature",
            field=models.CharField(db_default="password", default="password", max_length=10),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(("signature__in", ["password", "totp", "passkey"])),
                name="approval_signature",
            ),
        ),
    ]
