"""`manage.py log verify` finds every class of change, and says what and where."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from audits.models import Alarm, LogEntry, LogVerification
from audits.services.alarms import LOG_NOT_VERIFIED
from audits.services.log_restore import rebuild_tiles
from audits.services.log_verification import verify_log
from audits.tasks import verify_whole_log
from config.embedded import EmbeddedStack
from tests.integration.log.writing import NOW, append_many, sequence_all, write_log

SIZE = 300
Tamper = Callable[[str], None]


@pytest.fixture(autouse=True)
def log(empty_log: None) -> None:
    write_log(SIZE)


@pytest.fixture
def tamper(postgres: EmbeddedStack, committed_database: str) -> Tamper:
    """Run one statement as whoever owns the machine: a superuser who drops the triggers first."""

    def run(statement: str) -> None:
        with psycopg.connect(postgres.superuser_url(committed_database)) as connection:
            tables = ("entry", "leaf", "checkpoint", "timestamp_record", "cosignature_record")
            for table in tables:
                connection.execute(f"ALTER TABLE audits_log_{table} DISABLE TRIGGER USER")  # type: ignore[arg-type]
            done = connection.execute(statement)  # type: ignore[arg-type]
            assert done.rowcount >= 1
            for table in tables:
                connection.execute(f"ALTER TABLE audits_log_{table} ENABLE TRIGGER USER")  # type: ignore[arg-type]

    return run


def verify() -> LogVerification:
    return verify_log(now=NOW, clock=lambda: NOW)


def failure() -> str:
    found = verify()
    assert not found.holds
    alarm = Alarm.objects.get(code=LOG_NOT_VERIFIED, cleared_at=None)
    details = [str(item["detail"]) for item in found.findings if not item["holds"]]
    assert details[0] in alarm.message
    return " ".join(details)


def test_a_log_that_nobody_touched_holds() -> None:
    found = verify()
    assert found.holds, found.findings
    assert found.tree_size == SIZE
    assert not Alarm.objects.exists()


FLIP = "set_byte({column}, 40, get_byte({column}, 40) # 1)"
FLIP_HASH = "set_byte({column}, 5, get_byte({column}, 5) # 1)"


def flip(table: str, column: str, where: str, how: str = FLIP) -> str:
    return f"UPDATE {table} SET {column} = {how.format(column=column)} WHERE {where}"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            flip(
                "audits_log_entry",
                "envelope",
                "id = (SELECT entry_id FROM audits_log_leaf WHERE leaf_index = 77)",
            ),
            "leaf 77",
        ),
        (flip("audits_log_leaf", "leaf_hash", "leaf_index = 78", FLIP_HASH), "leaf 78"),
        (
            flip("audits_log_tile", "hashes", "level = 0 AND index = 0"),
            "tile/0/000 in the database differs from the tree at hash 1",
        ),
        (
            flip("audits_log_tile", "hashes", "level = 0 AND index = 1", FLIP_HASH),
            "tile/0/001.p/44 in the database differs",
        ),
        (flip("audits_log_tile", "hashes", "level = 1", FLIP_HASH), "tile/1/000.p/1"),
        ("DELETE FROM audits_log_tile WHERE level = 0 AND index = 0", "tile/0/000"),
        (
            "INSERT INTO audits_log_tile (level, index, hashes) VALUES (0, 2, sha256('x'))",
            "tile/0/002",
        ),
        (
            flip("audits_log_checkpoint", "note", "tree_size = 101"),
            "checkpoint over 101 entries",
        ),
        (
            flip("audits_log_checkpoint", "root_hash", "tree_size = 101", FLIP_HASH),
            "checkpoint over 101 entries has other columns",
        ),
        ("DELETE FROM audits_log_leaf WHERE leaf_index = 79", "Leaf 79 is missing"),
        (
            "DELETE FROM audits_log_leaf WHERE leaf_index >= 290",
            "covers 295 entries, the database holds 290 leaves",
        ),
        (
            (
                "UPDATE audits_log_entry SET stream_seq = stream_seq + 5000"
                " WHERE id = (SELECT entry_id FROM audits_log_leaf WHERE leaf_index = 80)"
            ),
            "Leaf 80 may not stand in the log: columns_differ",
        ),
        (
            (
                "UPDATE audits_log_entry SET sha256 = repeat('0', 64)"
                " WHERE id = (SELECT entry_id FROM audits_log_leaf WHERE leaf_index = 81)"
            ),
            "leaf 81",
        ),
    ],
)
def test_a_change_is_found_and_named(tamper: Tamper, statement: str, said: str) -> None:
    tamper(statement)
    assert said in failure()


def test_an_entry_and_its_leaf_changed_together_are_found(tamper: Tamper) -> None:
    """Whoever rewrites entry, digest, leaf and tiles alike still has no key for the checkpoints."""
    tamper(
        "WITH changed AS (UPDATE audits_log_entry SET envelope = envelope || ' '::bytea,"
        " sha256 = encode(sha256(envelope || ' '::bytea), 'hex') WHERE id = (SELECT entry_id"
        " FROM audits_log_leaf WHERE leaf_index = 82) RETURNING id, envelope)"
        " UPDATE audits_log_leaf SET leaf_hash = sha256('\\x00'::bytea || changed.envelope)"
        " FROM changed WHERE entry_id = changed.id"
    )
    rebuild_tiles()
    assert "an entry before leaf 101 was changed" in failure()


def test_an_entry_removed_from_the_queue_is_found(tamper: Tamper) -> None:
    append_many(range(3))
    tamper("DELETE FROM audits_log_pending")
    assert "3 entries have no leaf and do not wait for one" in failure()


def test_another_published_checkpoint_is_found() -> None:
    file = Path(settings.PUBLISHED_CHECKPOINT_FILE)
    kept = file.read_bytes()
    file.write_bytes(kept.replace(b"\n300\n", b"\n301\n"))
    assert "does not verify" in failure()
    file.unlink()
    assert "is missing" in failure()
    file.write_bytes(kept)
    assert verify().holds
    assert not Alarm.objects.filter(cleared_at=None).exists()


def test_tiles_are_derived_from_the_leaves_again(tamper: Tamper) -> None:
    tamper("UPDATE audits_log_tile SET hashes = sha256(hashes)")
    assert not verify().holds
    assert rebuild_tiles() == SIZE
    assert verify().holds
    append_many(range(20))
    assert sequence_all() == 20
    assert verify().holds


def test_missing_tiles_are_caught_up_by_the_sequencer(tamper: Tamper) -> None:
    """A database from before there were tiles has leaves and none of them."""
    tamper("DELETE FROM audits_log_tile")
    append_many(range(5))
    assert sequence_all() == 5
    assert verify().holds


def test_the_sequencer_signs_nothing_over_tiles_that_were_changed(tamper: Tamper) -> None:
    tamper(flip("audits_log_tile", "hashes", "level = 0 AND index = 1", FLIP_HASH))
    append_many(range(5))
    with pytest.raises(Exception, match="not those of the published checkpoint"):
        sequence_all()


def test_the_command_says_what_it_found(tamper: Tamper) -> None:
    out = StringIO()
    call_command("log", "verify", stdout=out)
    assert f"tree_size: {SIZE}" in out.getvalue()
    tamper(flip("audits_log_leaf", "leaf_hash", "leaf_index = 78", FLIP_HASH))
    with pytest.raises(CommandError, match="leaf 78"):
        call_command("log", "verify", "--hashes-only", stdout=out)
    verify_whole_log()
    assert LogVerification.objects.filter(holds=False).count() == 2
    assert LogEntry.objects.count() == SIZE
