"""Migration operations that make a table append-only in the database itself.

The runtime role keeps INSERT and SELECT; deny triggers, `ENABLE ALWAYS` so that not even
`session_replication_role` silences them, stop UPDATE, DELETE and TRUNCATE for everyone else.
"""

from __future__ import annotations

from django.db import migrations

OWNER = "muniment_owner"
RUNTIME = "muniment_runtime"
SEQUENCER = "muniment_sequencer"
FACT_SUFFIXES = ("_entry", "_leaf", "_checkpoint", "_record", "_evidence", "_approval", "_decision")


def append_only(table: str, *, writer: str = RUNTIME) -> migrations.RunSQL:
    """Return the operation that makes `table` a table of facts, written by `writer` alone.

    Args:
        table: a table of this project, ending in one of `FACT_SUFFIXES`.
        writer: the role that may INSERT; the others may only SELECT.

    Raises:
        ValueError: the table's name does not say that it holds facts.
    """
    if not table.endswith(FACT_SUFFIXES):
        raise ValueError(f"{table}: a table of facts ends in one of {FACT_SUFFIXES}")
    return migrations.RunSQL(
        sql=f"""
            REVOKE ALL ON {table} FROM PUBLIC, {RUNTIME}, {SEQUENCER};
            GRANT SELECT ON {table} TO {RUNTIME}, {SEQUENCER};
            GRANT INSERT ON {table} TO {writer};
            CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION muniment_deny_change();
            CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION muniment_deny_change();
            ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_change;
            ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate;
        """,
        reverse_sql=f"""
            DROP TRIGGER {table}_no_truncate ON {table};
            DROP TRIGGER {table}_no_change ON {table};
        """,
    )
