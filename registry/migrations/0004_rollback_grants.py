"""Rollback grants, and which alias changes one explains.

Only new tables and a column that may be null: a running process of the release before goes on. The
composite foreign key makes the copy of the requester in a signature the grant's own, as it does
for approvals (0002).
"""

from __future__ import annotations

import datetime
import uuid

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

from audits.append_only import append_only

REQUESTER = """
    ALTER TABLE registry_rollbackgrant
        ADD CONSTRAINT rollback_requester UNIQUE (id, requester_id);
    ALTER TABLE registry_rollback_approval
        ADD CONSTRAINT rollback_requester_is_true FOREIGN KEY (rollback_id, requester_id)
        REFERENCES registry_rollbackgrant (id, requester_id);
"""
NO_REQUESTER = """
    ALTER TABLE registry_rollback_approval DROP CONSTRAINT rollback_requester_is_true;
    ALTER TABLE registry_rollbackgrant DROP CONSTRAINT rollback_requester;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0003_sources_and_violations"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RollbackGrant",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("alias", models.CharField(max_length=256)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "requested"),
                            ("approved", "approved"),
                            ("refused", "refused"),
                            ("handed_out", "handed_out"),
                            ("revoked", "revoked"),
                            ("used", "used"),
                            ("accepted", "accepted"),
                            ("rejected", "rejected"),
                        ],
                        max_length=12,
                    ),
                ),
                ("note", models.TextField()),
                ("requested_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("token_sha256", models.CharField(blank=True, max_length=64)),
                ("sealed_token", models.BinaryField(null=True)),
                ("used_at", models.DateTimeField(null=True)),
                ("found_at", models.DateTimeField(null=True)),
                (
                    "from_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.modelversion",
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollbacks",
                        to="registry.modelversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RollbackApproval",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("verdict", models.CharField(max_length=10)),
                ("signed_at", models.DateTimeField()),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="audits.logentry",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rollback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approvals",
                        to="registry.rollbackgrant",
                    ),
                ),
            ],
            options={
                "db_table": "registry_rollback_approval",
            },
        ),
        migrations.AddField(
            model_name="aliaschange",
            name="rollback",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, to="registry.rollbackgrant"
            ),
        ),
        migrations.AddIndex(
            model_name="rollbackgrant",
            index=models.Index(
                models.OrderBy(models.F("updated_at"), descending=True), name="rollback_newest"
            ),
        ),
        migrations.AddConstraint(
            model_name="rollbackgrant",
            constraint=models.CheckConstraint(
                condition=models.Q(("version", models.F("from_version")), _negated=True),
                name="rollback_is_a_move",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollbackgrant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "expires_at__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("requested_at"), "+", models.Value(datetime.timedelta(days=90))
                        ),
                    )
                ),
                name="rollback_expires",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollbackapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(("person", models.F("requester")), _negated=True),
                name="rollback_not_by_requester",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollbackapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["approve", "refuse", "accept", "reject"])),
                name="rollback_verdict",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollbackapproval",
            constraint=models.UniqueConstraint(
                fields=("rollback", "person", "verdict"), name="rollback_verdict_once"
            ),
        ),
        append_only("registry_rollback_approval"),
        migrations.RunSQL(REQUESTER, NO_REQUESTER),
    ]
