"""The tables of facts become append-only, and leaves are checked where they are inserted.

The statement-level trigger sees a whole batch at once: the next indices without a gap, and each
leaf hash over the bytes of its entry (RFC 6962 section 2.1: SHA-256(0x00 ‖ entry)).
"""

from __future__ import annotations

from django.db import migrations

from audits.append_only import SEQUENCER, append_only

LEAVES = """
    CREATE FUNCTION audits_log_leaf_batch() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        lowest bigint; highest bigint; added_count bigint; next_index bigint;
    BEGIN
        SELECT min(leaf_index), max(leaf_index), count(*)
            INTO lowest, highest, added_count FROM added;
        IF added_count = 0 THEN
            RETURN NULL;
        END IF;
        SELECT coalesce(max(leaf_index) + 1, 0) INTO next_index
            FROM audits_log_leaf WHERE leaf_index < lowest;
        IF lowest <> next_index OR highest - lowest + 1 <> added_count THEN
            RAISE EXCEPTION 'leaves %..% do not continue the log at %',
                lowest, highest, next_index USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (
            SELECT 1 FROM added JOIN audits_log_entry entry ON entry.id = added.entry_id
            WHERE added.leaf_hash <> sha256('\\x00'::bytea || entry.envelope)
        ) THEN
            RAISE EXCEPTION 'a leaf hash is not that of its entry'
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audits_log_leaf_batch AFTER INSERT ON audits_log_leaf
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION audits_log_leaf_batch();
    ALTER TABLE audits_log_leaf ENABLE ALWAYS TRIGGER audits_log_leaf_batch;
"""
NO_LEAVES = """
    DROP TRIGGER audits_log_leaf_batch ON audits_log_leaf;
    DROP FUNCTION audits_log_leaf_batch();
"""


class Migration(migrations.Migration):
    dependencies = [("audits", "0002_log_and_evidence")]
    operations = [
        append_only("audits_log_entry"),
        append_only("audits_log_leaf", writer=SEQUENCER),
        append_only("audits_log_checkpoint", writer=SEQUENCER),
        append_only("audits_evidence"),
        append_only("audits_report_record"),
        migrations.RunSQL(LEAVES, NO_LEAVES),
    ]
