"""Passkeys and one-time codes, and what is under way with them.

New tables, and a column with a default: a running process of the release before goes on.
"""

from __future__ import annotations

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_notices"),
    ]

    operations = [
        migrations.AddField(
            model_name="signatureattempt",
            name="method",
            field=models.CharField(db_default="password", default="password", max_length=10),
        ),
        migrations.CreateModel(
            name="Ceremony",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("session_sha256", models.CharField(max_length=64)),
                ("about", models.CharField(max_length=100)),
                ("challenge", models.CharField(blank=True, max_length=64)),
                ("draft", models.JSONField(default=dict)),
                ("begun_at", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ceremonies",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("person", "about"), name="ceremony_one_at_a_time"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Credential",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("passkey", "Passkey"), ("totp", "One-time codes")], max_length=10
                    ),
                ),
                ("label", models.CharField(max_length=60)),
                ("enrolled_at", models.DateTimeField()),
                ("credential_id", models.BinaryField(null=True, unique=True)),
                ("public_key_cose", models.BinaryField(null=True)),
                ("public_key_spki", models.BinaryField(null=True)),
                ("sign_count", models.BigIntegerField(default=0)),
                (
                    "transports",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), default=list, size=None
                    ),
                ),
                ("sealed_secret", models.BinaryField(null=True)),
                ("last_counter", models.BigIntegerField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="credentials",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("credential_id__isnull", False),
                                ("kind", "passkey"),
                                ("public_key_cose__isnull", False),
                                ("public_key_spki__isnull", False),
                                ("sealed_secret__isnull", True),
                            ),
                            models.Q(
                                ("credential_id__isnull", True),
                                ("kind", "totp"),
                                ("last_counter__isnull", False),
                                ("public_key_cose__isnull", True),
                                ("public_key_spki__isnull", True),
                                ("sealed_secret__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="credential_whole",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "totp")),
                        fields=("person",),
                        name="credential_one_totp",
                    ),
                ],
            },
        ),
    ]
