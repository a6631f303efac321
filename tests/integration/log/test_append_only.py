"""The tables of facts cannot be changed, by whom the database itself says."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connections

from audits.append_only import FACT_SUFFIXES, RUNTIME, SEQUENCER
from audits.services.keys import enroll_keys
from audits.services.sequencer import sequence_pending
from config.embedded import EmbeddedStack
from tests.integration.log.writing import NOW


@pytest.fixture
def facts(empty_log: None) -> None:
    """A log with entries, leaves and a checkpoint."""
    enroll_keys(now=NOW)
    assert sequence_pending(now=NOW) > 0


def _run(alias: str, statement: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
STATEMENTS = (
    "UPDATE audits_log_entry SET event = 'forged'",
    "DELETE FROM audits_log_entry",
    "TRUNCATE audits_log_entry CASCADE",
    "UPDATE audits_log_leaf SET leaf_index = leaf_index + 1",
    "DELETE FROM audits_log_leaf",
    "TRUNCATE audits_log_leaf",
    "UPDATE audits_log_checkpoint SET note = ''",
    "DELETE FROM audits_log_checkpoint",
    "ALTER TABLE audits_log_entry DISABLE TRIGGER ALL",
    "DROP TABLE audits_log_leaf",
    "DROP TRIGGER audits_log_entry_no_change ON audits_log_entry",
    (
        "INSERT INTO audits_log_entry SELECT * FROM audits_log_entry"
        " ON CONFLICT (id) DO UPDATE SET event = 'forged'"
    ),
)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.usefixtures("facts")
def test_runtime_role_cannot_rewrite_history(statement: str) -> None:
    with pytest.raises(Exception, match=r"permission denied|must be owner"):
        _run("default", statement)


@pytest.mark.parametrize(
    "statement",
    [s for s in STATEMENTS if s.split()[0] in ("UPDATE", "DELETE", "TRUNCATE")],
)
@pytest.mark.usefixtures("facts")
def test_not_even_a_superuser_changes_a_fact_unless_the_trigger_is_dropped(
    statement: str, postgres: EmbeddedStack, committed_database: str
) -> None:
    with psycopg.connect(postgres.superuser_url(committed_database)) as connection:
        # What silences ordinary triggers does not silence these.
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)


@pytest.mark.usefixtures("facts")
def test_only_the_sequencer_inserts_leaves_and_checkpoints() -> None:
    leaf = "INSERT INTO audits_log_leaf (leaf_index, entry_id, leaf_hash) VALUES (99, 1, '')"
    checkpoint = (
        "INSERT INTO audits_log_checkpoint (tree_size, root_hash, note, signed_at)"
        " VALUES (99, '', '', now())"
    )
    for statement in (leaf, checkpoint):
        with pytest.raises(Exception, match="permission denied"):
            _run("default", statement)


@pytest.mark.usefixtures("facts")
def test_a_batch_of_leaves_continues_the_log_and_hashes_its_entries() -> None:
    entry = (
        "INSERT INTO audits_log_entry (envelope, sha256, predicate_type, event, actor_kind,"
        " actor_id, subject_name, subject_digest, is_violation, at)"
        " VALUES ('x', repeat('0', 64), 't', 'e', 'service', 's', 'n', 'd', false, now())"
        " RETURNING id"
    )
    with connections["default"].cursor() as cursor:
        cursor.execute(entry)
        entry_id = cursor.fetchone()[0]
        cursor.execute("SELECT max(leaf_index) FROM audits_log_leaf")
        last = cursor.fetchone()[0]
    leaf = "INSERT INTO audits_log_leaf (leaf_index, entry_id, leaf_hash) VALUES "
    right = "sha256('\\x00'::bytea || 'x'::bytea)"
    with pytest.raises(Exception, match="do not continue the log"):
        _run("sequencer", leaf + f"({last + 2}, {entry_id}, {right})")
    with pytest.raises(Exception, match="not that of its entry"):
        _run("sequencer", leaf + f"({last + 1}, {entry_id}, 'wrong')")
    _run("sequencer", leaf + f"({last + 1}, {entry_id}, {right})")


def test_every_table_says_in_its_name_what_may_happen_to_it() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        )
        tables = [row[0] for row in cursor.fetchall()]
        assert len(tables) > 20
        for table in tables:
            is_fact = table.endswith(FACT_SUFFIXES)
            granted = {p for p in PRIVILEGES if _may(RUNTIME, table, p)}
            cursor.execute(
                "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass"
                " AND tgenabled = 'A' AND tgname IN (%s, %s)",
                [table, f"{table}_no_change", f"{table}_no_truncate"],
            )
            always_denied = cursor.fetchone()[0]
            if is_fact:
                assert granted <= {"SELECT", "INSERT"}, table
                assert "SELECT" in granted, table
                assert always_denied == 2, table
            else:
                assert always_denied == 0, table
    for table in ("audits_log_leaf", "audits_log_checkpoint"):
        assert not _may(RUNTIME, table, "INSERT")
        assert _may(SEQUENCER, table, "INSERT")
        assert not any(_may(SEQUENCER, table, p) for p in ("UPDATE", "DELETE", "TRUNCATE"))
    assert not _may(SEQUENCER, "audits_log_entry", "INSERT")


def _may(role: str, table: str, privilege: str) -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [role, table, privilege])
        return bool(cursor.fetchone()[0])
