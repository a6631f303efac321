"""Privileges for the runtime and sequencer roles, and the function behind every deny trigger.

Runs before any table of ours exists, so that the default privileges cover them all; tables of
facts take back in their own migration what they must not allow.
"""

from __future__ import annotations

from django.db import migrations

from audits.append_only import OWNER, RUNTIME, SEQUENCER

GRANT = f"""
    GRANT USAGE ON SCHEMA public TO {RUNTIME}, {SEQUENCER};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {RUNTIME};
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {RUNTIME};
    ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {RUNTIME};
    ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public
        GRANT USAGE, SELECT ON SEQUENCES TO {RUNTIME};
    REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {RUNTIME};
"""
REVOKE = f"""
    ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public
        REVOKE USAGE, SELECT ON SEQUENCES FROM {RUNTIME};
    ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public
        REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLES FROM {RUNTIME};
"""
DENY = """
    CREATE FUNCTION muniment_deny_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Facts are corrected by a later fact that supersedes them.';
    END $$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(GRANT, REVOKE),
        migrations.RunSQL(DENY, "DROP FUNCTION muniment_deny_change()"),
    ]
