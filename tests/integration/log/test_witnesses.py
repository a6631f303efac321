"""Cosignatures of real witnesses on loopback: enough of them, or nothing new counts as proven."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from audits.errors import SettingsRefused
from audits.independent import witness_policy
from audits.models import Alarm, LogCheckpoint, LogCosignature, LogEntry, LogPublication
from audits.selectors import latest_checkpoint, prove_entries
from audits.services.alarms import LOG_NOT_WITNESSED
from audits.services.signing import keyring
from audits.services.witnesses import collect_cosignatures
from muniment.attest.errors import NoteError
from muniment.attest.log_policy import LogPolicy
from muniment.attest.proof import TlogProof
from tests.integration.log.loopback import Reply
from tests.integration.log.ring import Ring
from tests.integration.log.witness import Witness
from tests.integration.log.writing import append, append_many, sequence_all

LATER = timedelta(seconds=31)
Responder = Callable[[str, bytes], Reply]


@pytest.fixture
def ring(tmp_path: Path, settings: Any) -> Iterator[Ring]:
    with ExitStack() as stack:
        yield Ring(tmp_path, settings, stack)


@pytest.fixture
def three(ring: Ring) -> Ring:
    """Three witnesses, of which two are needed."""
    ring.start("north", "south", "east")
    ring.require("group g 2 north south east\nquorum g")
    return ring


def _entry() -> LogEntry:
    with transaction.atomic():
        entry = append()
    sequence_all(timezone.now())
    return entry


def _open_alarm() -> str:
    alarm = Alarm.objects.filter(code=LOG_NOT_WITNESSED, cleared_at__isnull=True).first()
    return alarm.message if alarm else ""


def _shown_size() -> int:
    checkpoint = latest_checkpoint()
    return 0 if checkpoint is None else checkpoint.tree_size


def test_a_checkpoint_is_shown_once_the_quorum_cosigned_it(three: Ring) -> None:
    policy = witness_policy()
    assert policy is not None
    entry = _entry()
    assert latest_checkpoint() is None
    assert collect_cosignatures(now=timezone.now()) == 3
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    opened, signatures = policy.open_checkpoint(bytes(checkpoint.note))
    assert (opened.tree_size, opened.root_hash) == (1, bytes(checkpoint.root_hash))
    assert len(signatures.signatures) == 4
    [proven] = prove_entries([entry], checkpoint)
    proof = TlogProof.parse(proven.proof)
    assert proof.verify(bytes(entry.envelope), keyring().log.vkey).tree_size == 1
    assert _open_alarm() == ""
    asked = three.servers["north"].asked
    assert collect_cosignatures(now=timezone.now()) == 0
    assert three.servers["north"].asked == asked


def test_witnesses_follow_a_growing_log_by_consistency_proofs(three: Ring) -> None:
    for count in (1, 1, 2, 3, 7, 60, 200, 5):
        append_many(range(count))
        sequence_all(timezone.now())
        assert collect_cosignatures(now=timezone.now()) == 3
        assert _shown_size() == LogEntry.objects.count()
    assert three.witnesses["east"].seen(keyring().log.origin)[0] == 279
    assert three.servers["east"].asked == 8  # each time it was asked from where it was


def test_one_witness_away_is_named_and_the_rest_are_enough(three: Ring) -> None:
    three.stop("south")
    _entry()
    now = timezone.now()
    assert collect_cosignatures(now=now) == 2
    assert _shown_size() == 1
    assert "south: it cannot be reached" in _open_alarm()
    assert "The quorum (2 of north, south, east) is reached without" in _open_alarm()
    three.start("south")
    assert collect_cosignatures(now=now) == 0  # left alone for half a minute
    assert "south: it cannot be reached" in _open_alarm()
    assert collect_cosignatures(now=now + LATER) == 1
    assert _open_alarm() == ""
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    assert bytes(checkpoint.note).count(b".test/w ") == 3  # the late one's as well


def test_without_the_quorum_nothing_new_is_proven(three: Ring) -> None:
    first = _entry()
    collect_cosignatures(now=timezone.now())
    three.stop("south", "east")
    second = _entry()
    now = timezone.now()
    assert collect_cosignatures(now=now) == 1
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    assert checkpoint.tree_size == 1
    assert [item.entry for item in prove_entries([first, second], checkpoint)] == [first]
    assert "nothing after entry 1 is shown as proven" in _open_alarm()
    assert "south: it cannot be reached" in _open_alarm()
    assert "east: it cannot be reached" in _open_alarm()
    assert "north: " not in _open_alarm()
    assert LogCheckpoint.objects.count() == 2  # the log itself went on
    three.start("east")
    assert collect_cosignatures(now=now + LATER) == 1
    assert _shown_size() == 2


def test_where_no_quorum_is_asked_for_the_cosignatures_come_along(ring: Ring) -> None:
    ring.start("north", "south")
    ring.require("quorum none")
    _entry()
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    assert b"north" not in bytes(checkpoint.note)
    ring.stop("south")
    assert collect_cosignatures(now=timezone.now()) == 1
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    assert b"north.test/w" in bytes(checkpoint.note)
    assert "No cosignature is required" in _open_alarm()
    assert not LogPublication.objects.exists()


def test_without_a_policy_nobody_is_asked() -> None:
    _entry()
    assert collect_cosignatures(now=timezone.now()) == 0
    assert _shown_size() == 1
    assert not Alarm.objects.exists()


def test_one_witness_may_be_the_quorum(ring: Ring) -> None:
    ring.start("north", "south")
    ring.require("quorum south")
    ring.stop("south")
    _entry()
    now = timezone.now()
    collect_cosignatures(now=now)
    assert _shown_size() == 0
    ring.start("south")
    collect_cosignatures(now=now + LATER)
    assert _shown_size() == 1


def test_witnesses_that_restart_remember(three: Ring) -> None:
    _entry()
    collect_cosignatures(now=timezone.now())
    three.stop("north", "south", "east")
    three.start("north", "south", "east")
    _entry()
    assert collect_cosignatures(now=timezone.now()) == 3
    assert three.servers["north"].asked == 1


def test_an_answer_that_was_lost_is_asked_for_again(three: Ring) -> None:
    """The witness went on, we never learned of it: it says where it is, and is asked from there."""
    append_many(range(5))
    sequence_all(timezone.now())

    def lose(witness: Witness) -> Responder:
        def respond(path: str, body: bytes) -> Reply:
            witness.respond(path, body)
            return Reply(502)

        return respond

    for name, server in three.servers.items():
        server.respond = lose(three.witnesses[name])
    now = timezone.now()
    assert collect_cosignatures(now=now) == 0
    assert "HTTP 502" in _open_alarm()
    append_many(range(9))
    sequence_all(timezone.now())
    for name, server in three.servers.items():
        server.respond = three.witnesses[name].respond
        server.asked = 0
    assert collect_cosignatures(now=now + LATER) == 3
    assert three.servers["north"].asked == 2
    assert _shown_size() == 14


def test_a_witness_that_has_seen_more_than_we_hold_is_an_alarm(three: Ring) -> None:
    _entry()
    three.witnesses["north"].see(keyring().log.origin, 1000, bytes(32))
    assert collect_cosignatures(now=timezone.now()) == 2
    assert "north: it has seen 1000 entries of this log, and here are only 1" in _open_alarm()
    assert three.servers["north"].asked == 1  # never asked to go back


@pytest.mark.parametrize(
    ("size", "words"), [(2, "refuses the consistency proof"), (3, "two histories of this log")]
)
def test_a_forked_log_gets_no_cosignature(three: Ring, size: int, words: str) -> None:
    append_many(range(3))
    sequence_all(timezone.now())
    for witness in three.witnesses.values():
        witness.see(keyring().log.origin, size, b"\x07" * 32)
    assert collect_cosignatures(now=timezone.now()) == 0
    assert words in _open_alarm()
    assert not LogCosignature.objects.exists()
    assert latest_checkpoint() is None


def test_a_witness_that_does_not_know_the_log_is_an_alarm(ring: Ring, tmp_path: Path) -> None:
    ring.start("north", "south")
    ring.require("quorum none")
    ring.servers["north"].respond = Witness("north.test/w", tmp_path / "stranger").respond
    other_key = f"{keyring().log.origin}+00000000+{base64.b64encode(bytes(33)).decode()}"
    ring.servers["south"].respond = Witness("south.test/w", tmp_path / "other", other_key).respond
    _entry()
    assert collect_cosignatures(now=timezone.now()) == 0
    assert "north: HTTP 404, it does not know this log" in _open_alarm()
    assert "south: HTTP 403, it does not trust this log's key" in _open_alarm()


def _text(body: bytes) -> str:
    return body.decode().split("\n\n")[1] + "\n"


def _bad_signature(witness: Witness) -> Responder:
    return lambda path, body: Reply(200, witness.cosign(_text(body) + "more\n").encode())


def _of_another_size(witness: Witness) -> Responder:
    def respond(path: str, body: bytes) -> Reply:
        origin, _, root = _text(body).splitlines()
        return Reply(200, witness.cosign(f"{origin}\n9\n{root}\n").encode())

    return respond


def _other_key(witness: Witness) -> Responder:
    stranger = Witness("stranger.test/w", witness._state.parent)
    return lambda path, body: Reply(200, stranger.cosign(_text(body)).encode())


def _other_key_same_name(witness: Witness) -> Responder:
    stranger = Witness("stranger.test/w", witness._state.parent)
    stranger.name = witness.name
    return lambda path, body: Reply(200, stranger.cosign(_text(body)).encode())


def _at(shift: float) -> Callable[[Witness], Responder]:
    def lie(witness: Witness) -> Responder:
        witness.clock = lambda: max(0.0, time.time() + shift)
        return lambda path, body: Reply(200, witness.cosign(_text(body)).encode())

    return lie


def _at_the_end_of_time(witness: Witness) -> Responder:
    witness.clock = lambda: 2**63 - 1
    return lambda path, body: Reply(200, witness.cosign(_text(body)).encode())


def _its_own_note(witness: Witness) -> Responder:
    """The answer brings a text of its own, under which the signature would verify."""

    def respond(path: str, body: bytes) -> Reply:
        log_lines = body.decode().split("\n\n")[2]
        text = f"{_text(body)}\n{log_lines}forged\n"
        return Reply(200, f"forged\n\n{witness.cosign(text)}".encode())

    return respond


def _redirect(witness: Witness) -> Responder:
    def respond(path: str, body: bytes) -> Reply:
        if path != "/add-checkpoint":
            return witness.respond("/add-checkpoint", body)
        return Reply(307, b"", {"Location": "/moved/add-checkpoint"})

    return respond


def _always(reply: Reply) -> Callable[[Witness], Responder]:
    return lambda witness: lambda path, body: reply


def _size(text: bytes, content_type: str = "text/x.tlog.size") -> Callable[[Witness], Responder]:
    return _always(Reply(409, text, {"Content-Type": content_type}))


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (_bad_signature, "the signature of north.test/w does not verify"),
        (_of_another_size, "the signature of north.test/w does not verify"),
        (_other_key, "its answer holds no signature by its key"),
        (_other_key_same_name, "its answer holds no signature by its key"),
        (_at(86_400), "its clock or ours is wrong"),
        (_at(-86_400), "its clock or ours is wrong"),
        (_at(-1e12), "1970-01-01 00:00:00 UTC: its clock or ours is wrong"),
        (_at_the_end_of_time, "at no time there is"),
        (_its_own_note, "it did not answer with signature lines alone"),
        (_redirect, "HTTP 307, which is no answer that a witness gives"),
        (_always(Reply(200, b"")), "its answer holds no signature by its key"),
        (_always(Reply(200, b"thanks\n")), "it did not answer with signature lines"),
        (_always(Reply(200, b"\xff\xfe\x00")), "it did not answer with signature lines"),
        (
            _always(Reply(200, "— x AAAAAAAA\n".encode() * 500)),
            "it did not answer with signature lines",
        ),
        (_always(Reply(200, bytes(50_000_000))), "larger than 16,384 bytes"),
        (_always(Reply(500, b"<html>")), "HTTP 500"),
        (_always(Reply(409, b"1\n", {"Content-Type": "text/html"})), "HTTP 409, without the size"),
        (_size(b"1"), "HTTP 409, without the size"),
        (_size(b"-1\n"), "HTTP 409, without the size"),
        (_size(b"01\n"), "HTTP 409, without the size"),
        (_size("١\n".encode()), "HTTP 409, without the size"),
        (_size(b"9223372036854775807\n"), "it has seen 9223372036854775807 entries"),
        (_size(b"0\n"), "HTTP 409, though it was asked from the 0 entries"),
        (_size(b"1\n"), "HTTP 409, though it was asked from the 1 entries"),
        (_size(b"2\n"), "two histories of this log"),
        (_always(Reply(drips=True)), "no whole answer within 5 s"),
    ],
)
def test_a_lying_witness_gets_nothing_stored_and_stops_nobody(
    three: Ring, lie: Callable[[Witness], Responder], reason: str
) -> None:
    append_many(range(2))
    sequence_all(timezone.now())
    north = three.witnesses["north"]
    three.servers["north"].respond = lie(north)
    started = time.monotonic()
    assert collect_cosignatures(now=timezone.now()) == 2
    assert time.monotonic() - started < 11
    assert reason in _open_alarm()
    assert not LogCosignature.objects.filter(vkey=north.vkey).exists()
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    assert b"north.test/w" not in bytes(checkpoint.note)


def test_of_many_lines_only_the_witnesss_own_is_kept(three: Ring) -> None:
    north = three.witnesses["north"]
    stranger = Witness("stranger.test/w", three.folder / "stranger")

    def respond(path: str, body: bytes) -> Reply:
        text = _text(body)
        lines = [stranger.cosign(text), north.cosign(text + "x\n"), north.cosign(text)]
        return Reply(200, "".join(lines).encode())

    three.servers["north"].respond = respond
    _entry()
    assert collect_cosignatures(now=timezone.now()) == 3
    row = LogCosignature.objects.get(vkey=north.vkey)
    assert row.line.count("\n") == 1
    assert not LogCosignature.objects.filter(line__contains="stranger").exists()
    assert _shown_size() == 1


def test_every_witness_hanging_takes_no_longer_than_one(three: Ring) -> None:
    for server in three.servers.values():
        server.respond = lambda path, body: Reply(drips=True)
    _entry()
    started = time.monotonic()
    assert collect_cosignatures(now=timezone.now()) == 0
    assert time.monotonic() - started < 9
    assert _shown_size() == 0


def test_writing_to_the_database_does_not_replace_witnesses(three: Ring) -> None:
    _entry()
    collect_cosignatures(now=timezone.now())
    three.stop("north", "south", "east")
    _entry()
    newest = LogCheckpoint.objects.latest("tree_size")
    LogPublication.objects.create(
        checkpoint=newest, note=bytes(newest.note), published_at=timezone.now()
    )
    assert _shown_size() == 1
    for name in ("north", "south"):
        vkey = three.witnesses[name].vkey
        older = LogCosignature.objects.get(checkpoint_id=1, vkey=vkey)
        LogCosignature.objects.create(
            checkpoint=newest, vkey=vkey, line=older.line, cosigned_at=timezone.now()
        )
    assert _shown_size() == 1
    LogCosignature.objects.create(
        checkpoint=newest,
        vkey=three.witnesses["east"].vkey,
        line="\n\nnothing like it",
        cosigned_at=timezone.now(),
    )
    assert _shown_size() == 1


def test_a_database_that_was_tampered_with_is_an_alarm(three: Ring) -> None:
    append_many(range(3))
    sequence_all(timezone.now())
    collect_cosignatures(now=timezone.now())
    _entry()
    with connections["owner"].cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT * FROM audits_log_tile")
        cursor.execute("DELETE FROM audits_log_tile")
    assert collect_cosignatures(now=timezone.now()) == 0
    assert "cannot be witnessed: tile/0/000.p/4 is not in the database" in _open_alarm()
    with connections["owner"].cursor() as cursor:
        cursor.execute("INSERT INTO audits_log_tile SELECT * FROM kept")
    newest = LogCheckpoint.objects.latest("tree_size")
    LogCosignature.objects.create(
        checkpoint=newest,
        vkey=three.witnesses["east"].vkey,
        line="no line",
        cosigned_at=timezone.now(),
    )
    assert collect_cosignatures(now=timezone.now()) == 0
    assert "cannot be witnessed" in _open_alarm()
    assert _shown_size() == 3
    _entry()
    assert collect_cosignatures(now=timezone.now()) == 3
    assert _shown_size() == 5
    assert _open_alarm() == ""


def test_a_cosignature_is_a_fact(three: Ring) -> None:
    _entry()
    collect_cosignatures(now=timezone.now())
    row = LogCosignature.objects.first()
    assert row is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        LogCosignature.objects.create(
            checkpoint=row.checkpoint, vkey=row.vkey, line=row.line, cosigned_at=row.cosigned_at
        )


def test_a_stricter_policy_asks_for_more_at_once(ring: Ring) -> None:
    ring.start("north", "south")
    ring.require("quorum north")
    ring.stop("south")
    _entry()
    now = timezone.now()
    collect_cosignatures(now=now)
    assert _shown_size() == 1
    ring.require("group g all north south\nquorum g")
    assert _shown_size() == 0
    ring.start("south")
    collect_cosignatures(now=now + LATER)
    assert _shown_size() == 1


def test_one_run_at_a_time(three: Ring) -> None:
    _entry()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [0x6D756E697769746E])
    assert collect_cosignatures(now=timezone.now()) == 0
    assert three.servers["north"].asked == 0
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [0x6D756E697769746E])
    assert collect_cosignatures(now=timezone.now()) == 3


def _vkeys() -> Sequence[str]:
    witness = Witness("north.test/w", Path("/nonexistent").parent)
    return keyring().log.vkey, witness.vkey


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (None, "cannot read"),
        ("quorum none\n", "is not about this log. It needs the line: log "),
        ("nonsense\n", "line 1: a line starts with log"),
        ("log {log}\nquorum north\n", "line 2: 'north' is no witness"),
        ("log {log}\nwitness north {north}\nquorum north\n", "cannot reach"),
        ("log {log}\nwitness north {north} ftp://x\nquorum none\n", "not an http or https address"),
        ("log {log}\nwitness north {north} https://x:y\nquorum none\n", "is not an address"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_refused_at_the_start(
    tmp_path: Path, settings: Any, policy: str | None, words: str
) -> None:
    log, north = _vkeys()
    file = tmp_path / "policy"
    if policy is not None:
        file.write_text(policy.format(log=log, north=north))
    settings.WITNESS_POLICY_FILE = str(file)
    with pytest.raises(ImproperlyConfigured, match=words):
        apps.get_app_config("audits").ready()
    # Nor is anything shown as proven where it appeared later.
    _entry()
    with pytest.raises(SettingsRefused, match=words):
        latest_checkpoint()
    assert collect_cosignatures(now=timezone.now()) == 0
    assert words in _open_alarm()


def test_what_is_handed_out_convinces_whoever_holds_the_policy(three: Ring) -> None:
    policy_file = Path(three.settings.WITNESS_POLICY_FILE)
    _entry()
    signed = LogCheckpoint.objects.get()
    with pytest.raises(NoteError, match="found none"):
        LogPolicy.parse(policy_file.read_bytes()).open_checkpoint(bytes(signed.note))
    collect_cosignatures(now=timezone.now())
    shown = latest_checkpoint()
    assert shown is not None
    LogPolicy.parse(policy_file.read_bytes()).open_checkpoint(bytes(shown.note))
    published = LogPublication.objects.get()
    LogPolicy.parse(policy_file.read_bytes()).open_checkpoint(bytes(published.note))
