"""Another key takes over the log: old proofs verify for ever, and nobody is left behind."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import transaction

from audits.domain.actor import MIRROR
from audits.errors import KeyUnavailable
from audits.models import LogCheckpoint, LogEntry, LogLeaf
from audits.selectors import ProvenEntry, latest_checkpoint, prove_entries
from audits.services.keys import enroll_keys
from audits.services.log import append_statement, predicate_type
from audits.services.sequencer import sequence_pending
from audits.services.signing import keyring
from config.embedded.errors import HomeUnusable
from config.embedded.key_rotation import add_key, begin_rotation, finish_rotation
from config.embedded.keys import InstanceKeys, make_keys
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.digest import Digest
from muniment.attest.envelope import verify_envelope
from muniment.attest.errors import NoteError
from muniment.attest.keyring import KeyEntry, Keyring
from muniment.attest.merkle import consistency_proof, verify_consistency
from muniment.attest.note import parse_note
from muniment.attest.predicates import KEY, PREDICATE_TYPES
from muniment.attest.proof import TlogProof
from muniment.attest.statement import parse_statement
from tests.integration.keys.conftest import Processes, SoftHsm
from tests.unit.attest.signing import write_key

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
STREAM = "muniment://default/models/m@1"
TOKEN_KEY = "pkcs11:token=muniment;object=log-1"


@pytest.fixture
def keys(tmp_path: Path) -> InstanceKeys:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return make_keys(folder, now=NOW)


def state(count: int = 3) -> list[LogEntry]:
    with transaction.atomic():
        return [
            append_statement(
                event="model.changed",
                predicate_type=predicate_type("registry-event"),
                subject_name=STREAM,
                subject_digest=Digest.of_bytes(b"row"),
                predicate={"before": None, "after": {"n": number}},
                stream=STREAM,
                actor=MIRROR,
                now=NOW,
            )
            for number in range(count)
        ]


def sign() -> bytes:
    """Sequence what is pending; return the checkpoint over it."""
    assert sequence_pending(now=NOW + timedelta(seconds=LogEntry.objects.count())) > 0
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    return bytes(checkpoint.note)


def proofs(entries: list[LogEntry]) -> list[ProvenEntry]:
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    return prove_entries(entries, checkpoint)


def opens(note: bytes, vkey: str) -> bool:
    """Whether that key signed the checkpoint; a bad signature of it is an error."""
    try:
        verify_checkpoint(note, vkey)
    except NoteError as error:
        if error.code != "note.unknown_key":
            raise
        return False
    return True


@pytest.mark.parametrize("kind", ["file", "token"])
def test_a_new_key_takes_over_and_every_old_proof_verifies(
    keys: InstanceKeys, processes: Processes, kind: str, hsm: SoftHsm
) -> None:
    processes.start(keys)
    enroll_keys(now=NOW)
    old = keyring().log.vkey
    first = state()
    alone = [sign()]
    proven = [(item, {old}) for item in proofs(first)]

    new = begin_rotation(keys.folder, uri=TOKEN_KEY if kind == "token" else None)
    processes.start(keys)
    assert keyring().log.vkeys == (old, new)
    [stated] = enroll_keys(now=NOW)
    both = [sign()]
    proven += [(item, {old, new}) for item in proofs([*first, stated])]
    more = state()
    both.append(sign())
    proven += [(item, {old, new}) for item in proofs(more)]

    assert finish_rotation(keys.folder) == new
    processes.start(keys)
    assert keyring().log.vkeys == (new, old)
    assert enroll_keys(now=NOW) == []
    last = state()
    after = [sign()]
    proven += [(item, {new}) for item in proofs([*first, *last])]

    # Who holds the old key follows until the end of the overlap, who holds the new from its start.
    assert [opens(note, old) for note in (*alone, *both, *after)] == [True, True, True, False]
    assert [opens(note, new) for note in (*alone, *both, *after)] == [False, True, True, True]
    for item, vkeys in proven:
        for vkey in vkeys:
            TlogProof.parse(item.proof).verify(bytes(item.entry.envelope), vkey)
    # The old key vouches for the entry that states the new one.
    statement = parse_statement(
        verify_envelope(bytes(stated.envelope), keyring().public_keys()).payload
    )
    assert KeyEntry.from_statement(statement).vkey(keyring().log.origin) == new
    require_one_history([*alone, *both, *after])


def require_one_history(notes: list[bytes]) -> None:
    """Each checkpoint continues the one before it, whoever signed."""
    hashes = [
        bytes(leaf)
        for leaf in LogLeaf.objects.order_by("leaf_index").values_list("leaf_hash", flat=True)
    ]
    heads = [verify_checkpoint(note, keyring().log.vkeys) for note in notes]
    assert [bytes(head.note) for head in LogCheckpoint.objects.order_by("tree_size")] == notes
    for older, newer in pairwise(heads):
        proof = consistency_proof(hashes[: newer.tree_size], older.tree_size)
        verify_consistency(
            older.tree_size, newer.tree_size, older.root_hash, newer.root_hash, proof
        )


def test_the_sequencer_signs_with_a_key_in_a_token(
    keys: InstanceKeys, processes: Processes, hsm: SoftHsm
) -> None:
    begin_rotation(keys.folder, uri=TOKEN_KEY)
    processes.start(keys)
    state(1)
    sign()
    new = finish_rotation(keys.folder)
    keys.log.unlink()  # nothing is left of the old key, and nothing of it is needed
    make_keys(keys.folder, now=NOW)
    assert not keys.log.exists()
    processes.start(keys)
    state(2)
    note = sign()
    assert [item.name for item in parse_note(note).signatures] == [keyring().log.origin]
    assert verify_checkpoint(note, new).tree_size == 3


def test_a_statement_key_in_a_token_takes_over(
    keys: InstanceKeys, processes: Processes, hsm: SoftHsm, settings: object
) -> None:
    processes.start(keys)
    enroll_keys(now=NOW)
    uri = "hsm:2?label=muniment"
    pem = add_key(keys.folder, "statement", uri)
    assert add_key(keys.folder, "statement", uri) == pem
    processes.start(keys)
    [stated] = enroll_keys(now=NOW)  # still signed by the old key
    settings.STATEMENT_KEY_URI = uri  # type: ignore[attr-defined]
    processes.forget()
    [entry] = state(1)
    sign()
    ring = Keyring.load(keys.keyring)
    old, new = ring.for_use("statement")
    assert new.public_key_pem == pem
    assert new.predicate_types == PREDICATE_TYPES
    public = ring.public_keys()
    assert verify_envelope(bytes(stated.envelope), public).keyid == old.keyid
    assert verify_envelope(bytes(entry.envelope), public).keyid == new.keyid
    assert LogLeaf.objects.filter(entry=entry).exists()


def test_a_key_is_added_for_one_use_only(keys: InstanceKeys, tmp_path: Path) -> None:
    uri = write_key(tmp_path / "another.pem")
    add_key(keys.folder, "grant", uri)
    before = keys.keyring.read_bytes()
    with pytest.raises(HomeUnusable, match="each use has its own key"):
        add_key(keys.folder, "statement", uri)
    with pytest.raises(HomeUnusable, match="each use has its own key"):
        add_key(keys.folder, "statement", f"file2:{keys.log}")
    assert keys.keyring.read_bytes() == before
    entry = Keyring.load(keys.keyring).for_use("grant")[-1]
    assert entry.predicate_types == ()


def test_a_rotation_is_not_finished_before_both_keys_have_signed(
    keys: InstanceKeys, processes: Processes, tmp_path: Path
) -> None:
    with pytest.raises(HomeUnusable, match="no rotation has begun"):
        finish_rotation(keys.folder)
    processes.start(keys)
    state(1)
    by_old = sign()
    new = begin_rotation(keys.folder)
    with pytest.raises(HomeUnusable, match=r"is not signed by .* let the sequencer sign with both"):
        finish_rotation(keys.folder)
    keys.published_checkpoint.unlink()
    with pytest.raises(HomeUnusable, match="cannot read the newest checkpoint"):
        finish_rotation(keys.folder)
    keys.published_checkpoint.write_bytes(by_old)
    assert len(keys.log_uris) == 2
    processes.start(keys)
    state(1)
    copy = tmp_path / "fetched"
    copy.write_bytes(sign())
    keys.published_checkpoint.unlink()
    assert finish_rotation(keys.folder, checkpoint_file=copy) == new


def test_a_step_that_is_repeated_changes_nothing(keys: InstanceKeys, processes: Processes) -> None:
    new = begin_rotation(keys.folder)
    before = {path: path.read_bytes() for path in keys.folder.iterdir()}
    assert begin_rotation(keys.folder) == new
    make_keys(keys.folder, now=NOW + timedelta(days=1))
    assert {path: path.read_bytes() for path in keys.folder.iterdir()} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.folder.iterdir()} == {0o600}
    assert keys.log_lines == ["log.pem", "log-2.pem"]
    with pytest.raises(HomeUnusable, match=r"a rotation to log-2\.pem has begun"):
        begin_rotation(keys.folder, uri=f"file2:{keys.statement}")


def test_a_rotation_that_was_interrupted_goes_on(keys: InstanceKeys, processes: Processes) -> None:
    """Between any two of its files, a step may be repeated."""
    keyring_before = keys.keyring.read_bytes()
    new = begin_rotation(keys.folder)
    keys.keyring.write_bytes(keyring_before)  # the key was named, the keyring not written yet
    processes.start(keys)
    state(1)
    with pytest.raises(KeyUnavailable, match="none of the log's in the keyring"):
        sequence_pending(now=NOW)
    assert begin_rotation(keys.folder) == new
    processes.start(keys)
    sign()
    lines_before = keys.log_keys.read_bytes()
    finish_rotation(keys.folder)
    keys.log_keys.write_bytes(lines_before)  # the keyring was written, the list of keys not yet
    assert finish_rotation(keys.folder) == new
    assert Keyring.load(keys.keyring).log.vkeys[0] == new
    assert keys.log_lines == ["log-2.pem"]


def test_a_key_that_was_the_log_s_is_never_taken_again(
    keys: InstanceKeys, processes: Processes
) -> None:
    with pytest.raises(HomeUnusable, match="is the log's key, or was"):
        begin_rotation(keys.folder, uri=f"file2:{keys.log}")
    begin_rotation(keys.folder)
    processes.start(keys)
    state(1)
    sign()
    finish_rotation(keys.folder)
    with pytest.raises(HomeUnusable, match="is the log's key, or was"):
        begin_rotation(keys.folder, uri=f"file2:{keys.log}")
    begin_rotation(keys.folder)
    assert keys.log_lines == ["log-2.pem", "log-3.pem"]
    assert len(Keyring.load(keys.keyring).log.vkeys) == 3


@pytest.mark.parametrize("use", ["statement", "grant", "pdf"])
def test_a_key_of_another_use_cannot_take_over_the_log(keys: InstanceKeys, use: str) -> None:
    before = keys.keyring.read_bytes()
    with pytest.raises(HomeUnusable, match="the log's key stays as it is"):
        begin_rotation(keys.folder, uri=f"file2:{getattr(keys, use)}")
    assert keys.keyring.read_bytes() == before
    assert keys.log_lines == ["log.pem"]


def test_the_log_s_keys_are_stated_with_no_predicate_to_sign(
    keys: InstanceKeys, processes: Processes
) -> None:
    processes.start(keys)
    enroll_keys(now=NOW)
    stated = LogEntry.objects.get(subject_name__startswith="key:log:", predicate_type=KEY)
    envelope = verify_envelope(bytes(stated.envelope), keyring().public_keys())
    entry = KeyEntry.from_statement(parse_statement(envelope.payload))
    assert entry.predicate_types == ()
    assert entry.vkey(keyring().log.origin) == keyring().log.vkey
