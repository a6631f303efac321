"""Changes that need a second person, and from when somebody signs.

New tables and columns that a running process of the release before does not know: it goes on.
The composite foreign key makes the copies of the proposer and the subject in an answer the
proposal's own, so that the checks on them hold.
"""

from __future__ import annotations

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Cast, Concat

from audits.append_only import append_only

TRUE_COPIES = """
    ALTER TABLE accounts_proposal_record
        ADD CONSTRAINT proposal_copied UNIQUE (id, proposer_id, subject);
    ALTER TABLE accounts_proposal_answer_record
        ADD CONSTRAINT proposal_answer_copies_are_true
        FOREIGN KEY (proposal_id, proposer_id, subject)
        REFERENCES accounts_proposal_record (id, proposer_id, subject);
"""
NO_TRUE_COPIES = """
    ALTER TABLE accounts_proposal_answer_record DROP CONSTRAINT proposal_answer_copies_are_true;
    ALTER TABLE accounts_proposal_record DROP CONSTRAINT proposal_copied;
"""
ADMINS_SO_FAR = "UPDATE accounts_user SET was_admin = true WHERE 'admin' = ANY (roles);"


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
        ("accounts", "0003_credentials"),
        ("audits", "0005_log_filters"),
    ]

    operations = [
        # Whoever waits for the role that signs has none until then.
        migrations.AlterField(
            model_name="user",
            name="roles",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("engineer", "Engineer"),
                        ("reviewer", "Reviewer"),
                        ("auditor", "Auditor"),
                        ("admin", "Admin"),
                    ],
                    max_length=20,
                ),
                blank=True,
                default=list,
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="signing_changed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="was_admin",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL(ADMINS_SO_FAR, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Proposal",
            fields=[
                ("id", _id()),
                ("kind", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=1200)),
                ("content", models.BinaryField()),
                ("content_sha256", models.CharField(max_length=64)),
                ("proposed_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("entry", _entry()),
                ("proposer", _person()),
            ],
            options={
                "db_table": "accounts_proposal_record",
                "indexes": [models.Index(fields=["-proposed_at"], name="proposal_newest")],
            },
        ),
        migrations.CreateModel(
            name="ProposalAnswer",
            fields=[
                ("id", _id()),
                ("subject", models.CharField(max_length=1200)),
                ("verdict", models.CharField(max_length=10)),
                ("reason_commitment", models.CharField(blank=True, max_length=64)),
                ("answered_at", models.DateTimeField()),
                ("entry", _entry()),
                ("person", _person()),
                ("proposer", _person()),
                (
                    "proposal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answer",
                        to="accounts.proposal",
                    ),
                ),
            ],
            options={
                "db_table": "accounts_proposal_answer_record",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(verdict__in=["confirm", "decline", "take_back"]),
                        name="proposal_answer_verdict",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(verdict="take_back") & models.Q(person=models.F("proposer"))
                        )
                        | models.Q(
                            ~models.Q(verdict="take_back") & ~models.Q(person=models.F("proposer"))
                        ),
                        name="proposal_by_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(verdict="take_back")
                        | ~models.Q(
                            subject=Concat(
                                models.Value("person:"), Cast("person", models.TextField())
                            )
                        ),
                        name="proposal_not_by_whom_it_favours",
                    ),
                ],
            },
        ),
        append_only("accounts_proposal_record"),
        append_only("accounts_proposal_answer_record"),
        migrations.RunSQL(TRUE_COPIES, NO_TRUE_COPIES),
    ]
