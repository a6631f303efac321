"""Groups of reviewers are held as roles are; what people hold already fits both constraints."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_credential_confirmed"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="user",
            name="user_roles_known",
        ),
        migrations.AlterField(
            model_name="user",
            name="roles",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=60), blank=True, default=list, size=None
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Regex(
                        models.Func(
                            models.F("roles"),
                            models.Value(","),
                            function="array_to_string",
                            output_field=models.TextField(),
                        ),
                        "^((engineer|reviewer|auditor|admin|group:[a-z0-9]+(-[a-z0-9]+)*)(,|$))*$",
                    )
                ),
                name="user_roles_known",
                violation_error_message="The roles are engineer, reviewer, auditor, admin.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        django.db.models.lookups.Regex(
                            models.Func(
                                models.F("roles"),
                                models.Value(","),
                                function="array_to_string",
                                output_field=models.TextField(),
                            ),
                            "(^|,)group:",
                        ),
                        _negated=True,
                    ),
                    ("roles__contains", ["reviewer"]),
                    _connector="OR",
                ),
                name="user_groups_of_reviewers",
            ),
        ),
    ]
