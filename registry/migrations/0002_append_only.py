"""Policies, decisions and approvals become append-only, and an approval's requester is true.

The composite foreign key makes the copy of the requester in an approval the promotion's own, so
that the constraint "nobody approves their own request" cannot be satisfied by a false copy.
"""

from __future__ import annotations

from django.db import migrations

from audits.append_only import append_only

REQUESTER = """
    ALTER TABLE registry_promotion
        ADD CONSTRAINT promotion_requester UNIQUE (id, requester_id);
    ALTER TABLE registry_approval
        ADD CONSTRAINT approval_requester_is_true FOREIGN KEY (promotion_id, requester_id)
        REFERENCES registry_promotion (id, requester_id);
"""
NO_REQUESTER = """
    ALTER TABLE registry_approval DROP CONSTRAINT approval_requester_is_true;
    ALTER TABLE registry_promotion DROP CONSTRAINT promotion_requester;
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial"), ("audits", "0003_append_only")]
    operations = [
        append_only("registry_policy_record"),
        append_only("registry_decision"),
        append_only("registry_approval"),
        append_only("registry_alias_record"),
        append_only("registry_dismissal_record"),
        migrations.RunSQL(REQUESTER, NO_REQUESTER),
    ]
