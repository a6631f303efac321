"""The sequencer: the single writer that gives entries their place and signs tree heads.

It runs in a process of its own, with a database role of its own and the log's key. An identity
column is never the leaf index: identities have gaps and commit out of order.
"""

from __future__ import annotations

import os
from datetime import datetime
from functools import cache
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connections, transaction

from audits.errors import KeyUnavailable, LogBehindCheckpoint
from audits.models import LogCheckpoint, LogEntry, LogLeaf
from audits.services.signing import keyring
from muniment.attest.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from muniment.attest.envelope import verify_envelope
from muniment.attest.errors import AttestError
from muniment.attest.merkle import leaf_hash, root_hash
from muniment.attest.note import NoteSigner
from muniment.attest.statement import parse_statement

DATABASE = "sequencer"
BATCH = 1000
_LOCK = 0x6D756E696C6F67  # "munilog": one sequencer at a time, cluster-wide

_refused: set[str] = set()

logger = structlog.get_logger(__name__)


@cache
def _log_signer() -> NoteSigner:
    if not settings.LOG_KEY_FILE:
        raise KeyUnavailable("MUNIMENT_LOG_KEY_FILE is not set: only the sequencer signs the log.")
    return NoteSigner.from_file(keyring().log.origin, settings.LOG_KEY_FILE)


def _published_file() -> Path:
    return Path(settings.LOG_KEY_FILE).with_name("published-checkpoint")


def sequence_pending(*, now: datetime) -> int:
    """Give pending entries their leaves and sign a checkpoint over them; return how many.

    Entries whose envelope no permitted key signed are never sequenced and hold up nobody. With
    another sequencer at work this does nothing.

    Raises:
        LogBehindCheckpoint: the database holds less than was already published; nothing is signed.
        KeyUnavailable: this process was not given the log's key.
    """
    signer = _log_signer()
    with transaction.atomic(using=DATABASE, durable=True):
        if not _lock():
            return 0
        accepted = _next_batch()
        if not accepted:
            return 0
        hashes = _leaf_hashes()
        _refuse_if_behind(hashes)
        leaves = [
            LogLeaf(
                leaf_index=len(hashes) + offset,
                entry=entry,
                leaf_hash=leaf_hash(bytes(entry.envelope)),
            )
            for offset, entry in enumerate(accepted)
        ]
        LogLeaf.objects.using(DATABASE).bulk_create(leaves)
        hashes += [bytes(leaf.leaf_hash) for leaf in leaves]
        root = root_hash(hashes)
        note = sign_checkpoint(
            Checkpoint(origin=keyring().log.origin, tree_size=len(hashes), root_hash=root), signer
        )
        LogCheckpoint.objects.using(DATABASE).create(
            tree_size=len(hashes), root_hash=root, note=note, signed_at=now
        )
        transaction.on_commit(lambda: _publish(note), using=DATABASE)
    return len(accepted)


def _lock() -> bool:
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _leaf_hashes() -> list[bytes]:
    leaves = LogLeaf.objects.using(DATABASE).order_by("leaf_index")
    return [bytes(value) for value in leaves.values_list("leaf_hash", flat=True)]


def _next_batch() -> list[LogEntry]:
    """Return the oldest pending entries that may be sequenced.

    Refused ones are remembered, so that they are said once and never fill a batch.
    """
    pending = LogEntry.objects.using(DATABASE).filter(leaf__isnull=True).order_by("pk")
    accepted: list[LogEntry] = []
    for entry in pending.exclude(sha256__in=_refused).iterator(chunk_size=BATCH):
        if _is_permitted(entry):
            accepted.append(entry)
        else:
            _refused.add(entry.sha256)
        if len(accepted) == BATCH:
            break
    return accepted


def _is_permitted(entry: LogEntry) -> bool:
    envelope = bytes(entry.envelope)
    try:
        verified = verify_envelope(envelope, keyring().public_keys())
    except AttestError as error:
        logger.exception("log.entry_refused", entry=entry.pk, code=error.code)
        return False
    if not _says_what_its_columns_say(entry, verified.payload):
        logger.error("log.entry_refused", entry=entry.pk, code="columns_differ")
        return False
    if not keyring().permits(verified.keyid, entry.predicate_type):
        logger.error("log.entry_refused", entry=entry.pk, code="key_not_permitted")
        return False
    return True


def _says_what_its_columns_say(entry: LogEntry, payload: bytes) -> bool:
    """Say whether the columns that we select by are those of the signed bytes."""
    try:
        statement = parse_statement(payload)
    except AttestError:
        return False
    position = statement.position
    return (
        statement.predicate_type == entry.predicate_type
        and statement.subjects[0].name == entry.subject_name
        and (position.stream if position else None) == entry.stream
        and (position.stream_seq if position else None) == entry.stream_seq
    )


def _refuse_if_behind(hashes: list[bytes]) -> None:
    """Never sign a tree that a published checkpoint contradicts (a restored backup does this)."""
    file = _published_file()
    if not file.is_file():
        return
    published = verify_checkpoint(file.read_bytes(), keyring().log.vkey)
    if published.tree_size > len(hashes):
        raise LogBehindCheckpoint(
            f"The database holds {len(hashes)} leaves and a checkpoint over "
            f"{published.tree_size} was already published: restore the newer database."
        )
    if root_hash(hashes[: published.tree_size]) != published.root_hash:
        raise LogBehindCheckpoint(
            f"The first {published.tree_size} leaves are not those of the published checkpoint."
        )


def _publish(note: bytes) -> None:
    file = _published_file()
    temporary = file.with_suffix(".new")
    with temporary.open("wb") as out:
        out.write(note)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)
