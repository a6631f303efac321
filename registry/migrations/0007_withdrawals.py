"""Withdrawn datasets, and the versions that were made from them.

Only new tables: a running process of the release before goes on. The composite foreign key makes
the copy of the proposer in the second signature the withdrawal's own, as it does for approvals.
"""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from audits.append_only import append_only

PROPOSER = """
    ALTER TABLE registry_withdrawal_record
        ADD CONSTRAINT withdrawal_proposer UNIQUE (id, proposer_id);
    ALTER TABLE registry_withdrawal_approval
        ADD CONSTRAINT withdrawal_proposer_is_true FOREIGN KEY (withdrawal_id, proposer_id)
        REFERENCES registry_withdrawal_record (id, proposer_id);
"""
NO_PROPOSER = """
    ALTER TABLE registry_withdrawal_approval DROP CONSTRAINT withdrawal_proposer_is_true;
    ALTER TABLE registry_withdrawal_record DROP CONSTRAINT withdrawal_proposer;
"""


def _person() -> models.ForeignKey:
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


def _entry() -> models.OneToOneField:
    return models.OneToOneField(
        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="audits.logentry"
    )


def _id() -> models.UUIDField:
    return models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    dependencies = [
        ("audits", "0005_log_filters"),
        ("registry", "0006_torn_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Withdrawal",
            fields=[
                ("id", _id()),
                ("dataset", models.CharField(max_length=80)),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("consent", "consent"),
                            ("poisoning", "poisoning"),
                            ("licence", "licence"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason_commitment", models.CharField(max_length=64)),
                ("proposed_at", models.DateTimeField()),
                ("entry", _entry()),
                ("proposer", _person()),
            ],
            options={
                "db_table": "registry_withdrawal_record",
                "indexes": [
                    models.Index(fields=["-proposed_at"], name="withdrawal_newest"),
                    models.Index(fields=["dataset"], name="withdrawal_of_dataset"),
                ],
            },
        ),
        migrations.CreateModel(
            name="WithdrawalApproval",
            fields=[
                ("id", _id()),
                ("verdict", models.CharField(max_length=10)),
                ("reason_commitment", models.CharField(blank=True, max_length=64)),
                ("signed_at", models.DateTimeField()),
                ("entry", _entry()),
                ("person", _person()),
                ("proposer", _person()),
                (
                    "withdrawal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approval",
                        to="registry.withdrawal",
                    ),
                ),
            ],
            options={
                "db_table": "registry_withdrawal_approval",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("person", models.F("proposer")), _negated=True),
                        name="withdrawal_by_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("verdict__in", ["approve", "refuse"])),
                        name="withdrawal_verdict",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WithdrawnVersion",
            fields=[
                ("id", _id()),
                ("found_at", models.DateTimeField()),
                ("entry", _entry()),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="withdrawn",
                        to="registry.modelversion",
                    ),
                ),
                (
                    "withdrawal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="registry.withdrawal",
                    ),
                ),
            ],
            options={
                "db_table": "registry_withdrawn_record",
                "constraints": [
                    models.UniqueConstraint(fields=("withdrawal", "version"), name="withdrawn_once")
                ],
            },
        ),
        append_only("registry_withdrawal_record"),
        append_only("registry_withdrawal_approval"),
        append_only("registry_withdrawn_record"),
        migrations.RunSQL(PROPOSER, NO_PROPOSER),
    ]
