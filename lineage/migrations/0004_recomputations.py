"""Recomputations: the workflow that trains a version again from its record."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("lineage", "0003_allowed_places"),
    ]

    operations = [
        migrations.CreateModel(
            name="Recomputation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("version_uri", models.CharField(max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=10,
                    ),
                ),
                ("requested_by", models.UUIDField(null=True)),
                ("repeats", models.PositiveSmallIntegerField()),
                ("negative_control", models.BooleanField()),
                ("step", models.CharField(blank=True, max_length=30)),
                ("log_tail", models.TextField(blank=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("failure", models.TextField(blank=True)),
                ("lease", models.UUIDField(null=True)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "evidence",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="recomputation",
                        to="audits.evidence",
                    ),
                ),
                (
                    "record",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="recomputations",
                        to="lineage.lineagerecord",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["version_uri", "-created_at"], name="recomputation_of"),
                    models.Index(
                        condition=models.Q(
                            ("status__in", ["queued", "running"]),
                            ("lease__isnull", False),
                            _connector="OR",
                        ),
                        fields=["created_at"],
                        name="recomputation_open",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["queued", "running"])),
                        fields=("version_uri",),
                        name="one_open_recomputation",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("heartbeat_at__isnull", True), ("lease__isnull", True)),
                            models.Q(("heartbeat_at__isnull", False), ("lease__isnull", False)),
                            _connector="OR",
                        ),
                        name="recomputation_lease_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "running"), _negated=True),
                            ("lease__isnull", False),
                            _connector="OR",
                        ),
                        name="recomputation_running_is_leased",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", True), ("status__in", ["queued", "running"])
                            ),
                            models.Q(
                                models.Q(("status__in", ["queued", "running"]), _negated=True),
                                ("finished_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="recomputation_end_is_dated",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "done"), _negated=True),
                            ("evidence__isnull", False),
                            _connector="OR",
                        ),
                        name="recomputation_done_has_evidence",
                    ),
                ],
            },
        ),
    ]
