"""A backup restored: the log refuses to sign another history, and goes on from where it was.

Rehearses docs/log-recovery.md, with PostgreSQL's own tools for the backup.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from psycopg import sql

from audits.errors import LogBehindCheckpoint
from audits.models import Alarm, LogEntry, Stream
from audits.selectors import latest_checkpoint
from audits.services.alarms import LOG_BEHIND
from audits.services.log_verification import verify_log
from audits.services.published import published_checkpoint
from audits.services.signing import keyring
from audits.tasks import sequence_log
from config.embedded import EmbeddedStack
from config.embedded.postgres import postgres_binaries
from config.embedded.roles import OWNER, open_to_roles
from muniment.attest.merkle import verify_consistency
from muniment.attest.tile_tree import TileReader
from tests.integration.log.writing import NOW, append_many, sequence_all, write_log

Restore = Callable[[], None]


@pytest.fixture
def back_up(
    postgres: EmbeddedStack, committed_database: str, tmp_path: Path
) -> Iterator[Callable[[], Restore]]:
    """Dump the database; what is returned puts that state back in its place."""
    tools = postgres_binaries()
    dump = tmp_path / "backup.dump"
    url = postgres.superuser_url(committed_database)

    def run(program: str, *arguments: str) -> None:
        environment = {**os.environ, "LD_LIBRARY_PATH": str(tools.parent / "lib")}
        subprocess.run([tools / program, *arguments], check=True, env=environment)

    def take() -> Restore:
        run("pg_dump", "--format=custom", f"--file={dump}", url)
        return put_back

    def put_back() -> None:
        connections.close_all()
        with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
            name = sql.Identifier(committed_database)
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(OWNER))
            )
        run("pg_restore", f"--dbname={url}", str(dump))
        with psycopg.connect(url) as connection:
            open_to_roles(connection, committed_database)

    return take


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("log", *arguments, stdout=out)
    return out.getvalue()


def test_an_older_copy_is_refused_and_brought_up_from_an_export(
    back_up: Callable[[], Restore], tmp_path: Path
) -> None:
    export = tmp_path / "export"
    write_log(260)
    restore = back_up()
    append_many(range(300, 350))
    sequence_all()
    manage("export", str(export))
    note = (export / "checkpoint").read_bytes()
    heads = dict(Stream.objects.values_list("stream", "last_sha256"))

    restore()
    assert LogEntry.objects.count() == 260
    # The refusal, as the sequencer's own task runs into it: nothing is signed, everybody is told.
    with pytest.raises(LogBehindCheckpoint, match="already published"):
        sequence_log()
    alarm = Alarm.objects.get(code=LOG_BEHIND, cleared_at=None)
    assert "260 leaves and a checkpoint over 310" in alarm.message
    assert "docs/log-recovery.md" in alarm.message
    newest = latest_checkpoint()
    assert newest is not None
    assert newest.tree_size == 260

    assert "leaves_restored: 50" in manage("restore", str(export))
    assert LogEntry.objects.count() == 310
    assert dict(Stream.objects.values_list("stream", "last_sha256")) == heads
    newest = latest_checkpoint()
    assert newest is not None
    assert bytes(newest.note) == note

    # The log goes on, over the same history: what was published before is a prefix of it.
    append_many(range(400, 420))
    assert sequence_all() == 20
    sequence_log()
    assert not Alarm.objects.filter(code=LOG_BEHIND, cleared_at=None).exists()
    found = verify_log(now=NOW, clock=lambda: NOW)
    assert found.holds, found.findings
    manage("export", str(export))
    reader = TileReader(lambda tile: (export / tile.path).read_bytes(), 330)
    now = published_checkpoint()
    assert now is not None
    verify_consistency(
        310, 330, bytes(newest.root_hash), now.root_hash, reader.consistency_proof(310)
    )
    assert manage("restore", str(export)) == "leaves_before: 330\nleaves_restored: 0\n"


def test_entries_written_after_the_restore_are_not_forked(
    back_up: Callable[[], Restore], tmp_path: Path
) -> None:
    """Their places in a stream are taken in the published log: they can never be sequenced."""
    write_log(20)
    restore = back_up()
    append_many(range(100, 110))
    sequence_all()
    manage("export", str(tmp_path / "export"))
    restore()
    append_many([200])
    with pytest.raises(CommandError, match="1 entries were written after"):
        manage("restore", str(tmp_path / "export"))
    assert LogEntry.objects.count() == 21
    restore()
    manage("restore", str(tmp_path / "export"))
    assert verify_log(now=NOW, clock=lambda: NOW).holds


def test_an_export_that_was_changed_or_is_too_old_changes_nothing(
    back_up: Callable[[], Restore], tmp_path: Path
) -> None:
    export = tmp_path / "export"
    write_log(20)
    manage("export", str(export))
    restore = back_up()
    append_many(range(100, 110))
    sequence_all()
    restore()
    with pytest.raises(CommandError, match="exported at 20 entries"):
        manage("restore", str(export))
    append_many(range(500, 501))
    kept = Path(settings.PUBLISHED_CHECKPOINT_FILE).read_bytes()
    Path(settings.PUBLISHED_CHECKPOINT_FILE).unlink()
    with pytest.raises(LogBehindCheckpoint, match="is missing"):
        sequence_log()
    with pytest.raises(CommandError, match="is missing"):
        manage("restore", str(export))
    Path(settings.PUBLISHED_CHECKPOINT_FILE).write_bytes(kept)
    assert keyring().log.origin in kept.decode()


def test_one_changed_byte_of_an_export_is_not_put_back(
    back_up: Callable[[], Restore], tmp_path: Path
) -> None:
    export = tmp_path / "export"
    write_log(20)
    restore = back_up()
    append_many(range(100, 110))
    sequence_all()
    manage("export", str(export))
    restore()
    bundle = export / "tile" / "entries" / "000.p" / "30"
    content = bytearray(bundle.read_bytes())
    content[-20] ^= 1
    bundle.write_bytes(content)
    with pytest.raises(CommandError, match="do not give the published tree of 30"):
        manage("restore", str(export))
    assert LogEntry.objects.count() == 20
