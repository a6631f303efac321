"""Entries get their place, their proof and their checkpoint; what is not ours gets none."""

from __future__ import annotations

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections, transaction

from audits.errors import LogBehindCheckpoint, NotInTransaction
from audits.models import Alarm, LogCheckpoint, LogEntry, LogLeaf, LogPending, Stream
from audits.selectors import latest_checkpoint, prove_entries
from audits.services.alarms import LOG_ENTRIES_REFUSED, raise_alarm
from audits.services.keys import enroll_keys
from audits.services.sequencer import _reconsider_refused, sequence_pending
from audits.services.signing import keyring
from muniment.attest.envelope import verify_envelope
from muniment.attest.errors import StatementError
from muniment.attest.proof import TlogProof
from muniment.attest.statement import parse_statement
from tests.integration.log.writing import DIGEST, NOW, STREAM, append


def test_an_entry_is_pending_until_a_checkpoint_covers_it() -> None:
    with transaction.atomic():
        entry = append()
    assert latest_checkpoint() is None
    assert sequence_pending(now=NOW) == 1
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    [proven] = prove_entries([entry], checkpoint)
    proof = TlogProof.parse(proven.proof)
    assert proof.verify(bytes(entry.envelope), keyring().log.vkey).tree_size == 1


def test_every_entry_of_a_longer_log_is_proven_by_the_kit() -> None:
    with transaction.atomic():
        entries = [append(after={"n": n}) for n in range(21)]
    sequence_pending(now=NOW)
    with transaction.atomic():
        entries += [append(after={"n": n}) for n in range(21, 34)]
    sequence_pending(now=NOW)
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    assert checkpoint.tree_size == 34
    proven = prove_entries(entries, checkpoint)
    assert [item.leaf_index for item in proven] == list(range(34))
    for item in proven:
        TlogProof.parse(item.proof).verify(bytes(item.entry.envelope), keyring().log.vkey)


def test_a_stream_counts_without_gaps_and_chains_its_envelopes() -> None:
    with transaction.atomic():
        first = append()
    with transaction.atomic():
        append()
        transaction.set_rollback(True)
    with transaction.atomic():
        second = append()
    statements = [
        parse_statement(verify_envelope(bytes(e.envelope), keyring().public_keys()).payload)
        for e in (first, second)
    ]
    positions = [statement.position for statement in statements]
    assert [p.stream_seq for p in positions if p] == [0, 1]
    assert positions[1] is not None
    assert positions[1].previous is not None
    assert positions[1].previous.hex == hashlib.sha256(bytes(first.envelope)).hexdigest()
    assert Stream.objects.get(pk=STREAM).next_seq == 2


def test_two_writers_of_one_stream_never_share_a_place() -> None:
    def write(_: int) -> None:
        try:
            for _ in range(8):
                with transaction.atomic():
                    append()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=3) as writers:
        list(writers.map(write, range(3)))
    places = LogEntry.objects.filter(stream=STREAM).order_by("stream_seq")
    assert list(places.values_list("stream_seq", flat=True)) == list(range(24))


def test_a_statement_without_a_transaction_is_refused() -> None:
    with pytest.raises(NotInTransaction):
        append()


def test_an_unknown_field_cannot_be_stated() -> None:
    with pytest.raises(StatementError), transaction.atomic():
        append(unheard_of=1)
    assert not LogEntry.objects.exists()
    assert not Stream.objects.filter(next_seq__gt=0).exists()


@pytest.mark.parametrize("what", ["signature", "payload", "type"])
def test_an_entry_that_no_permitted_key_signed_is_never_sequenced(what: str) -> None:
    with transaction.atomic():
        good = append()
    envelope = json.loads(bytes(good.envelope))
    if what == "signature":
        envelope["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    if what == "payload":
        envelope["payload"] = base64.b64encode(b"{}").decode()
    forged = json.dumps(envelope).encode()
    LogEntry.objects.create(
        envelope=forged if what != "type" else bytes(good.envelope) + b" ",
        sha256=hashlib.sha256(forged + what.encode()).hexdigest(),
        predicate_type="https://muniment.dev/unheard-of/v1",
        event="forged.entry",
        actor_kind="service",
        actor_id="stranger",
        subject_name=STREAM,
        subject_digest=str(DIGEST),
        at=NOW,
    )
    with transaction.atomic():
        later = append()
    assert sequence_pending(now=NOW) == 2  # it holds up nobody else
    assert sequence_pending(now=NOW) == 0
    assert set(LogLeaf.objects.values_list("entry_id", flat=True)) == {good.pk, later.pk}


def test_keys_are_stated_once() -> None:
    assert {e.subject_name.split(":")[1] for e in enroll_keys(now=NOW)} == {
        "statement",
        "grant",
        "pdf",
        "log",
    }
    assert enroll_keys(now=NOW) == []


def test_a_database_behind_its_published_checkpoint_signs_nothing(
    committed_database: str,
) -> None:
    with transaction.atomic():
        append()
    sequence_pending(now=NOW)
    published = Path(settings.PUBLISHED_CHECKPOINT_FILE)
    note = published.read_bytes()
    with transaction.atomic():
        append()
    sequence_pending(now=NOW)
    newer = published.read_bytes()
    assert newer != note
    # What an older backup would be: the same file, fewer leaves.
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE audits_log_leaf DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE audits_log_checkpoint DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM audits_log_leaf WHERE leaf_index = 1")
        cursor.execute("DELETE FROM audits_log_checkpoint WHERE tree_size = 2")
    with pytest.raises(LogBehindCheckpoint, match="already published"):
        sequence_pending(now=NOW)
    assert LogCheckpoint.objects.count() == 1


def test_a_large_batch_is_verified_on_every_core_with_the_same_result() -> None:
    with transaction.atomic():
        good = [append(after={"n": n}) for n in range(700)]
    forged = [
        LogEntry(
            envelope=bytes(entry.envelope).replace(b'"sig":"', b'"sig":"AA'),
            sha256=hashlib.sha256(str(n).encode()).hexdigest(),
            predicate_type=entry.predicate_type,
            event=entry.event,
            actor_kind=entry.actor_kind,
            actor_id=entry.actor_id,
            subject_name=entry.subject_name,
            subject_digest=entry.subject_digest,
            at=NOW,
        )
        for n, entry in enumerate(good[::7])
    ]
    LogEntry.objects.bulk_create(forged)
    assert sequence_pending(now=NOW) == 700
    refused = LogPending.objects.exclude(refused_code="")
    assert set(refused.values_list("entry_id", flat=True)) == {entry.pk for entry in forged}
    leaves = LogLeaf.objects.order_by("leaf_index").values_list("entry_id", flat=True)
    assert list(leaves) == [entry.pk for entry in good]
    alarm = Alarm.objects.get(code=LOG_ENTRIES_REFUSED, cleared_at=None)
    assert "refuses 100 entries" in alarm.message


def test_entries_refused_before_are_judged_again_by_a_new_process() -> None:
    """A keyring that was put right, read by a sequencer that starts with it."""
    with transaction.atomic():
        entry = append()
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE audits_log_pending"
            " SET refused_code = 'envelope.unknown_key', refused_at = now()"
        )
    raise_alarm(LOG_ENTRIES_REFUSED, "One is refused.", now=NOW)
    assert sequence_pending(now=NOW) == 0
    _reconsider_refused.cache_clear()
    assert sequence_pending(now=NOW) == 1
    assert LogLeaf.objects.get().entry_id == entry.pk
    assert not Alarm.objects.filter(cleared_at=None).exists()
