"""Whatever stops the sequencer, and whenever: no gap, no loss, no double, no second history."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import FrameType

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connections, transaction

from audits.log_tree import __file__ as log_tree_file
from audits.models import LogCheckpoint, LogEntry, LogLeaf, LogPending
from audits.selectors import latest_checkpoint
from audits.services import published, sequencer
from audits.services.log_verification import verify_log
from audits.services.published import published_checkpoint
from audits.services.sequencer import sequence_pending
from config.embedded import EmbeddedStack
from muniment.attest.errors import EnvelopeError
from tests.integration.log.writing import NOW, append, append_many, sequence_all

TRACED = frozenset({sequencer.__file__, published.__file__, log_tree_file})
KILLED = -signal.SIGKILL


def require_whole_log() -> None:
    """Accept only a log in which every entry has exactly one leaf, under one history."""
    found = verify_log(now=NOW, clock=lambda: NOW)
    assert found.holds, found.findings
    indices = LogLeaf.objects.order_by("leaf_index").values_list("leaf_index", flat=True)
    assert list(indices) == list(range(LogEntry.objects.count()))
    newest = latest_checkpoint()
    assert newest is not None
    assert newest.tree_size == len(indices)


def run_in_child(work: Callable[[], int]) -> int:
    """Run `work` in a process of its own, with connections of its own; return how it ended."""
    connections.close_all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads, since 3.12
        pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sequence_until_line(last: int) -> int:
    """Sequence, and be killed (-9) before the `last`-th line of the sequencer's own code."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        nonlocal count
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    return 0 if sequence_pending(now=NOW) else 1


def await_lock() -> None:
    """Wait until the database has noticed that whoever held the sequencer's lock is gone."""
    with connections["sequencer"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [sequencer._LOCK])
        cursor.execute("SELECT pg_advisory_unlock(%s)", [sequencer._LOCK])


def test_a_kill_at_any_line_loses_and_doubles_nothing() -> None:
    signed: dict[int, bytes] = {}
    killed = 0
    append_many(range(255))
    sequence_all()
    while True:
        if not LogPending.objects.exists():
            append_many(range(2))
        ended = run_in_child(partial(sequence_until_line, killed + 1))
        await_lock()
        # Every checkpoint that anybody may have seen, in the file or in the database.
        seen = [(c.tree_size, bytes(c.root_hash)) for c in LogCheckpoint.objects.all()]
        kept = published_checkpoint()
        if kept is not None:
            seen.append((kept.tree_size, kept.root_hash))
        for size, root in seen:
            assert signed.setdefault(size, root) == root
        if ended != KILLED:
            assert ended == 0
            break
        killed += 1
    assert killed > 80
    sequence_all()
    require_whole_log()


def test_several_sequencers_at_once_make_one_log() -> None:
    done = threading.Event()

    def sequence() -> None:
        try:
            while not done.is_set():
                sequence_pending(now=NOW)
        finally:
            connections.close_all()

    def write(first: int) -> None:
        try:
            for number in range(first, first + 12):
                append_many([number], streams=7)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=6) as threads:
        sequencers = [threads.submit(sequence) for _ in range(3)]
        for writer in [threads.submit(write, first) for first in (0, 100, 200)]:
            writer.result()
        done.set()
        for running in sequencers:
            running.result()
    sequence_all()
    assert LogEntry.objects.count() == 36
    require_whole_log()


def test_order_of_commit_decides_and_a_rollback_leaves_no_gap() -> None:
    """The lower identity commits last; another one never does."""
    inserted, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        try:
            with transaction.atomic():
                entry = append(stream="muniment://default/models/slow@1")
                inserted.set()
                assert go_on.wait(30)
            return int(entry.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as threads:
        first = threads.submit(slow)
        assert inserted.wait(30)
        with transaction.atomic():
            append(stream="muniment://default/models/undone@1")
            transaction.set_rollback(True)
        with transaction.atomic():
            fast = append(stream="muniment://default/models/fast@1")
        assert sequence_pending(now=NOW) == 1
        go_on.set()
        assert first.result() < fast.pk
    assert sequence_pending(now=NOW) == 1
    order = LogLeaf.objects.order_by("leaf_index").values_list("entry_id", flat=True)
    assert list(order) == [fast.pk, first.result()]
    require_whole_log()


@pytest.fixture
def full_disk() -> Iterator[Callable[[], None]]:
    """What the sequencer writes its file to has no room left, as the kernel itself says."""
    new = Path(settings.PUBLISHED_CHECKPOINT_FILE + ".new")
    yield lambda: new.symlink_to("/dev/full")
    new.unlink(missing_ok=True)


def test_a_full_disk_under_the_file_shows_no_checkpoint(full_disk: Callable[[], None]) -> None:
    append_many(range(5))
    sequence_all()
    append_many(range(5, 10))
    full_disk()
    with pytest.raises(OSError, match="No space left on device"):
        sequence_pending(now=NOW)
    newest = latest_checkpoint()
    assert newest is not None
    assert newest.tree_size == 5
    Path(settings.PUBLISHED_CHECKPOINT_FILE + ".new").unlink()
    sequence_pending(now=NOW)
    require_whole_log()


def limit_files_of(pid: int, size_bytes: int) -> None:
    """Let a process make no file longer than that; as its own user, which may."""
    owner = Path(f"/proc/{pid}").stat()
    command = ["prlimit", "--pid", str(pid), f"--fsize={size_bytes}"]
    if owner.st_uid != os.geteuid():
        who = [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
        command = ["setpriv", *who, *command]
    subprocess.run(command, check=True)


def test_a_full_disk_under_the_database_loses_nothing() -> None:
    """PostgreSQL cannot extend a file of its own; the limit is the kernel's, on its backend."""
    limit = 16 * 2**20  # a segment of the write-ahead log must still fit
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE audits_log_leaf SET (fillfactor = 10)")
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO audits_log_entry (envelope, sha256, predicate_type, event, actor_kind,"
            " actor_id, subject_name, subject_digest, is_violation, at)"
            " SELECT convert_to(n::text, 'UTF8'), lpad(n::text, 64, '0'), 't', 'e', 'service',"
            " 's', 'n', 'd', false, now() FROM generate_series(1, 18000) n"
        )
    with connections["sequencer"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO audits_log_leaf (leaf_index, entry_id, leaf_hash)"
            " SELECT row_number() OVER (ORDER BY id) - 1, id,"
            " sha256('\\x00'::bytea || envelope) FROM audits_log_entry"
        )
        cursor.execute("DELETE FROM audits_log_pending")
        cursor.execute("SELECT pg_relation_size('audits_log_leaf'), pg_backend_pid()")
        size, backend = cursor.fetchone()
    assert limit * 0.9 < size < limit
    append_many(range(1500))
    limit_files_of(backend, limit)
    with pytest.raises(DatabaseError, match="could not extend file"):
        sequence_pending(now=NOW)
    # No part of the batch is there; with room again (a new backend) all of it is.
    connections["sequencer"].close()
    assert LogLeaf.objects.count() == 18_000
    assert sequence_all() == 1500
    leaves = LogLeaf.objects.order_by("leaf_index").values_list("leaf_index", flat=True)
    assert list(leaves) == list(range(19_500))
    newest = latest_checkpoint()
    assert newest is not None
    assert newest.tree_size == 19_500


def test_a_connection_that_breaks_in_the_middle_loses_nothing(
    postgres: EmbeddedStack, committed_database: str
) -> None:
    append_many(range(20))
    sequence_all()
    append_many(range(20, 40))
    with connections["sequencer"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]

    def cut(execute: Callable[..., object], sql: str, *rest: object) -> object:
        if sql.startswith("INSERT INTO audits_log_tile"):
            with psycopg.connect(postgres.superuser_url(committed_database)) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [backend])
        return execute(sql, *rest)

    with (
        connections["sequencer"].execute_wrapper(cut),
        pytest.raises(OperationalError),
    ):
        sequence_pending(now=NOW)
    connections["sequencer"].close()
    assert LogLeaf.objects.count() == 20
    assert sequence_all() == 20
    require_whole_log()


def test_checkpoints_grow_while_the_clock_goes_back() -> None:
    for days in (0, -400, 1, -1):
        append_many(range(3))
        assert sequence_all(now=NOW + timedelta(days=days)) == 3
    sizes = LogCheckpoint.objects.order_by("tree_size").values_list("tree_size", flat=True)
    assert list(sizes) == [3, 6, 9, 12]
    newest = latest_checkpoint()
    assert newest is not None
    assert newest.tree_size == 12
    require_whole_log()


def test_an_entry_that_is_too_large_is_refused_before_the_commit() -> None:
    append_many([0])
    with (
        pytest.raises(EnvelopeError, match="store the content beside the log") as refused,
        transaction.atomic(),
    ):
        append(after={"text": "x" * 60_000})
    assert refused.value.code == "envelope.too_large"
    assert LogEntry.objects.count() == 1
    sequence_all()
    require_whole_log()
