"""The sequencer: the single writer that gives entries their place and signs tree heads.

It runs in a process of its own, with a database role of its own and the log's key. An identity
column is never the leaf index: identities have gaps and commit out of order.

What keeps two checkpoints from ever disagreeing is the order of three steps, each durable before
the next begins: leaves are committed; a checkpoint over committed leaves is signed and put into a
file outside the database; it becomes visible. Whatever stops the process in between, the next run
finds what was done and goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import structlog
from django.conf import settings
from django.db import connections, transaction

from audits.advisory_lock import try_advisory_lock
from audits.errors import KeyUnavailable, LogBehindCheckpoint
from audits.log_tree import extend_tiles, load_frontier, tree_reader
from audits.models import LogCheckpoint, LogPending
from audits.services import alarms
from audits.services.published import publish, published_checkpoint, published_file
from audits.services.sequencing import Candidate, refusals_of
from audits.services.signing import keyring
from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.merkle import leaf_hash
from muniment.attest.note import NoteSigner
from muniment.attest.signers import load_note_signer
from muniment.attest.tile_tree import Frontier

DATABASE = "sequencer"
# Verified, inserted and signed over together, within a fraction of a second.
BATCH = 4000
# Above this, leaves without tiles are taken in portions: after an upgrade there may be millions.
CATCH_UP = 65_536
_LOCK = 0x6D756E696C6F67  # "munilog": one sequencer at a time, cluster-wide

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """How far each part of the log is, counted in leaves."""

    leaves: int
    signed: int
    has_pending: bool


def sequence_pending(*, now: datetime) -> int:
    """Give pending entries their leaves and sign a checkpoint over them; return how many.

    Entries whose envelope no permitted key signed are never sequenced, raise an alarm and hold up
    nobody. With another sequencer at work this does nothing.

    Raises:
        LogBehindCheckpoint: the database holds less than was already published, or something
            else; nothing is sequenced and nothing is signed.
        KeyUnavailable: this process was not given the log's key, or the file for checkpoints.
    """
    signers = _log_signers()
    published_file()
    with only_sequencer() as is_only:
        if not is_only:
            return 0
        _reconsider_refused()
        state = _read_state()
        published = _require_newest(state)
        if not state.has_pending and state.signed == state.leaves:
            return 0
        frontier = catch_up(state.leaves)
        if published is not None:
            _require_same_tree(published)
        placed = _place_pending(frontier, now) if state.has_pending else 0
        _sign_head(frontier, state.signed, signers, now)
        return placed


@cache
def _log_signers() -> tuple[NoteSigner, ...]:
    if not settings.LOG_KEY_URIS:
        raise KeyUnavailable("MUNIMENT_LOG_KEYS is not set: only the sequencer signs the log.")
    log = keyring().log
    signers = tuple(load_note_signer(log.origin, uri) for uri in settings.LOG_KEY_URIS)
    for signer in signers:
        if signer.vkey not in log.vkeys:
            raise KeyUnavailable(
                f"A key in MUNIMENT_LOG_KEYS is none of the log's in the keyring: {signer.vkey}"
            )
    return signers


def only_sequencer() -> AbstractContextManager[bool]:
    """Be the one sequencer, or learn that there is another at work."""
    return try_advisory_lock(_LOCK, using=DATABASE)


@cache
def _reconsider_refused() -> None:
    """Once a process: the keyring that entries were refused by may have been put right."""
    with connections[DATABASE].cursor() as cursor:
        cursor.execute(
            "UPDATE audits_log_pending SET refused_code = '', refused_at = NULL"
            " WHERE refused_code <> ''"
        )


def _read_state() -> _State:
    with connections[DATABASE].cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT coalesce(max(leaf_index) + 1, 0) FROM audits_log_leaf),"
            " (SELECT coalesce(max(tree_size), 0) FROM audits_log_checkpoint),"
            " EXISTS (SELECT 1 FROM audits_log_pending WHERE refused_code = '')"
        )
        return _State(*cursor.fetchone())


def catch_up(leaves: int) -> Frontier:
    """Return the tree's right edge, its tiles brought up to the leaves that have none yet."""
    frontier = load_frontier(using=DATABASE)
    while frontier.tree_size < leaves:
        with transaction.atomic(using=DATABASE, durable=True):
            with connections[DATABASE].cursor() as cursor:
                cursor.execute(
                    "SELECT leaf_hash FROM audits_log_leaf WHERE leaf_index >= %s"
                    " ORDER BY leaf_index LIMIT %s",
                    [frontier.tree_size, CATCH_UP],
                )
                hashes = [bytes(row[0]) for row in cursor.fetchall()]
            extend_tiles(frontier, hashes, using=DATABASE)
    return frontier


def _require_newest(state: _State) -> Checkpoint | None:
    """Return the published checkpoint, if the database holds no less than it covers."""
    published = published_checkpoint()
    if published is None:
        if state.signed:
            raise LogBehindCheckpoint(
                f"{published_file()} is missing, and the log has signed a checkpoint over "
                f"{state.signed} entries. Without it nobody knows whether the database is the "
                "newest: see docs/log-recovery.md."
            )
        return None
    if published.tree_size > state.leaves:
        raise LogBehindCheckpoint(
            f"The database holds {state.leaves} leaves and a checkpoint over "
            f"{published.tree_size} was already published: restore the newer database, or what "
            "is missing: see docs/log-recovery.md."
        )
    if published.tree_size < state.signed:
        raise LogBehindCheckpoint(
            f"The database holds a checkpoint over {state.signed} entries, {published_file()} one "
            f"over {published.tree_size}: the file is not the newest. See docs/log-recovery.md."
        )
    return published


def _require_same_tree(published: Checkpoint) -> None:
    """Never sign a tree that a signed checkpoint contradicts (a restored backup does this)."""
    if tree_reader(published.tree_size, using=DATABASE).root_hash() != published.root_hash:
        raise LogBehindCheckpoint(
            f"The first {published.tree_size} leaves are not those of the published checkpoint: "
            "see docs/log-recovery.md."
        )


def _place_pending(frontier: Frontier, now: datetime) -> int:
    """Commit leaves for the oldest pending entries that may be sequenced, with their tiles."""
    with transaction.atomic(using=DATABASE, durable=True):
        candidates = _next_batch()
        judged = list(zip(candidates, refusals_of(candidates, keyring()), strict=True))
        accepted = [item for item, code in judged if code is None]
        refused = [(item.entry_id, code) for item, code in judged if code is not None]
        _insert_leaves(frontier, accepted)
        _refuse(refused, now)
    return len(accepted)


def _next_batch() -> list[Candidate]:
    with connections[DATABASE].cursor() as cursor:
        cursor.execute(
            "SELECT entry.id, entry.envelope, entry.sha256, entry.predicate_type,"
            " entry.subject_name, entry.stream, entry.stream_seq"
            " FROM audits_log_pending pending"
            " JOIN audits_log_entry entry ON entry.id = pending.entry_id"
            " WHERE pending.refused_code = '' ORDER BY pending.entry_id LIMIT %s",
            [BATCH],
        )
        return [Candidate(row[0], bytes(row[1]), *row[2:]) for row in cursor.fetchall()]


def _insert_leaves(frontier: Frontier, accepted: Sequence[Candidate]) -> None:
    if not accepted:
        return
    ids = [item.entry_id for item in accepted]
    hashes = [leaf_hash(item.envelope) for item in accepted]
    with connections[DATABASE].cursor() as cursor:
        cursor.execute(
            "INSERT INTO audits_log_leaf (leaf_index, entry_id, leaf_hash)"
            " SELECT %s + place - 1, entry_id, leaf_hash"
            " FROM unnest(%s::bigint[], %s::bytea[])"
            " WITH ORDINALITY AS added (entry_id, leaf_hash, place)",
            [frontier.tree_size, ids, hashes],
        )
        cursor.execute("DELETE FROM audits_log_pending WHERE entry_id = ANY(%s)", [ids])
    extend_tiles(frontier, hashes, using=DATABASE)


def _refuse(refused: Sequence[tuple[int, str]], now: datetime) -> None:
    """Remember what is refused and why, and alarm."""
    if not refused:
        return
    with connections[DATABASE].cursor() as cursor:
        cursor.execute(
            "UPDATE audits_log_pending pending SET refused_code = refused.code, refused_at = %s"
            " FROM unnest(%s::bigint[], %s::text[]) AS refused (entry_id, code)"
            " WHERE pending.entry_id = refused.entry_id",
            [now, [entry_id for entry_id, _ in refused], [code for _, code in refused]],
        )
        cursor.execute("SELECT count(*) FROM audits_log_pending WHERE refused_code <> ''")
        count = cursor.fetchone()[0]
    for entry_id, code in refused:
        logger.error("log.entry_refused", entry=entry_id, code=code)
    alarms.raise_alarm(
        alarms.LOG_ENTRIES_REFUSED,
        f"The sequencer refuses {count} {'entry' if count == 1 else 'entries'}, which no permitted "
        "key signed as they stand: somebody else wrote to the database, or a key is missing in "
        "the keyring. They are listed on the log's health page and never enter the log.",
        now=now,
        using=DATABASE,
    )


def _sign_head(
    frontier: Frontier, signed: int, signers: Sequence[NoteSigner], now: datetime
) -> None:
    """Sign the tree over all committed leaves: first into the file, then where it is seen."""
    if frontier.tree_size <= signed:
        return
    root = frontier.root_hash()
    checkpoint = Checkpoint(keyring().log.origin, frontier.tree_size, root)
    note = sign_checkpoint(checkpoint, *signers)
    publish(note)
    LogCheckpoint.objects.using(DATABASE).create(
        tree_size=frontier.tree_size, root_hash=root, note=note, signed_at=now
    )
    _clear_alarms(now)


def _clear_alarms(now: datetime) -> None:
    """Say what is over: the log was signed, and perhaps nothing is refused any more."""
    alarms.clear_alarm(alarms.LOG_BEHIND, now=now, using=DATABASE)
    if not LogPending.objects.using(DATABASE).exclude(refused_code="").exists():
        alarms.clear_alarm(alarms.LOG_ENTRIES_REFUSED, now=now, using=DATABASE)
