"""The log's tiles, its queue of pending entries, and what independent parties say of checkpoints.

The queue is filled by a statement-level trigger, so that no service can forget it, and the runtime
role cannot touch it. Entries without a leaf are put into it here. Tiles need no filling: the
sequencer derives what is missing from the leaves when it runs next.
"""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.db import migrations, models

from audits.append_only import RUNTIME, SEQUENCER, append_only

QUEUE = f"""
    REVOKE ALL ON audits_log_pending, audits_log_tile FROM {RUNTIME};
    GRANT SELECT ON audits_log_pending, audits_log_tile TO {RUNTIME};
    GRANT SELECT, UPDATE, DELETE ON audits_log_pending TO {SEQUENCER};
    GRANT SELECT, INSERT, UPDATE, DELETE ON audits_log_tile TO {SEQUENCER};
    GRANT USAGE, SELECT ON SEQUENCE audits_log_tile_id_seq TO {SEQUENCER};
    GRANT SELECT, INSERT, UPDATE ON audits_alarm TO {SEQUENCER};
    -- Hashes do not compress, and a last tile is replaced every second.
    ALTER TABLE audits_log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
    CREATE FUNCTION audits_log_entry_pending() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO audits_log_pending (entry_id, refused_code)
            SELECT id, '' FROM added ORDER BY id;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audits_log_entry_pending AFTER INSERT ON audits_log_entry
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION audits_log_entry_pending();
    ALTER TABLE audits_log_entry ENABLE ALWAYS TRIGGER audits_log_entry_pending;
    INSERT INTO audits_log_pending (entry_id, refused_code)
        SELECT entry.id, '' FROM audits_log_entry entry
        LEFT JOIN audits_log_leaf leaf ON leaf.entry_id = entry.id
        WHERE leaf.entry_id IS NULL
        ON CONFLICT DO NOTHING;
"""
NO_QUEUE = """
    DROP TRIGGER audits_log_entry_pending ON audits_log_entry;
    DROP FUNCTION audits_log_entry_pending();
"""


class Migration(migrations.Migration):
    dependencies = [("audits", "0003_append_only")]

    operations = [
        migrations.CreateModel(
            name="Alarm",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("code", models.CharField(max_length=60)),
                ("message", models.TextField()),
                ("raised_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("cleared_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="LogCosignature",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("vkey", models.CharField(max_length=400)),
                ("line", models.TextField()),
                ("cosigned_at", models.DateTimeField()),
            ],
            options={
                "db_table": "audits_log_cosignature_record",
            },
        ),
        migrations.CreateModel(
            name="LogPending",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="pending",
                        serialize=False,
                        to="audits.logentry",
                    ),
                ),
                ("refused_code", models.CharField(blank=True, default="", max_length=60)),
                ("refused_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "audits_log_pending",
            },
        ),
        migrations.CreateModel(
            name="LogPublication",
            fields=[
                (
                    "checkpoint",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="publication",
                        serialize=False,
                        to="audits.logcheckpoint",
                    ),
                ),
                ("note", models.BinaryField()),
                ("published_at", models.DateTimeField()),
            ],
            options={
                "db_table": "audits_log_publication_record",
            },
        ),
        migrations.CreateModel(
            name="LogTile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("level", models.PositiveSmallIntegerField()),
                ("index", models.BigIntegerField()),
                ("hashes", models.BinaryField()),
            ],
            options={
                "db_table": "audits_log_tile",
            },
        ),
        migrations.CreateModel(
            name="LogTimestamp",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("token", models.BinaryField()),
                ("stamped_at", models.DateTimeField()),
            ],
            options={
                "db_table": "audits_log_timestamp_record",
            },
        ),
        migrations.CreateModel(
            name="LogVerification",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("tree_size", models.BigIntegerField()),
                ("holds", models.BooleanField()),
                ("findings", models.JSONField()),
            ],
            options={
                "db_table": "audits_log_verification_record",
            },
        ),
        migrations.AddConstraint(
            model_name="alarm",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cleared_at__isnull", True)),
                fields=("code",),
                name="one_open_alarm",
            ),
        ),
        migrations.AddField(
            model_name="logcosignature",
            name="checkpoint",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cosignatures",
                to="audits.logcheckpoint",
            ),
        ),
        migrations.AddConstraint(
            model_name="logpending",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refused_at__isnull", True), ("refused_code", "")),
                    models.Q(
                        models.Q(("refused_code", ""), _negated=True), ("refused_at__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="log_pending_refusal_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="logtile",
            constraint=models.UniqueConstraint(fields=("level", "index"), name="log_tile_place"),
        ),
        migrations.AddField(
            model_name="logtimestamp",
            name="checkpoint",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="timestamps",
                to="audits.logcheckpoint",
            ),
        ),
        migrations.AddIndex(
            model_name="logverification",
            index=models.Index(fields=["-finished_at"], name="log_verification_newest"),
        ),
        migrations.AddConstraint(
            model_name="logcosignature",
            constraint=models.UniqueConstraint(
                fields=("checkpoint", "vkey"), name="log_cosignature_once"
            ),
        ),
        migrations.AddIndex(
            model_name="logtimestamp",
            index=models.Index(fields=["-stamped_at"], name="log_timestamp_newest"),
        ),
        migrations.AddIndex(
            model_name="logcosignature",
            index=models.Index(fields=["vkey", "-checkpoint"], name="log_cosignature_newest"),
        ),
        append_only("audits_log_timestamp_record"),
        append_only("audits_log_cosignature_record"),
        append_only("audits_log_publication_record"),
        append_only("audits_log_verification_record"),
        migrations.RunSQL(QUEUE, NO_QUEUE),
    ]
