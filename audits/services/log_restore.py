"""Putting back what a restored database lacks, without ever signing another history.

Nothing here needs the log's key, and nothing is signed: the entries that are put back must give
exactly the tree of the checkpoint that was published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connections, transaction
from django.db.models import Max
from django.db.models.functions import Coalesce

from audits.domain.actor import EXECUTOR, RECORDER
from audits.errors import LogRestoreRefused
from audits.log_tree import extend_tiles
from audits.models import LogCheckpoint, LogEntry, LogLeaf, LogPending, LogTile, Stream
from audits.services.published import published_checkpoint, published_file
from audits.services.sequencer import DATABASE, catch_up, only_sequencer
from audits.services.sequencing import Candidate, refusal_of
from audits.services.signing import keyring
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.envelope import parse_envelope
from muniment.attest.errors import AttestError
from muniment.attest.merkle import leaf_hash
from muniment.attest.predicates import SLSA_EVENTS, SLSA_PROVENANCE, VERIFICATION_SUMMARY
from muniment.attest.statement import Statement, parse_statement, parse_time
from muniment.attest.tile_tree import Frontier
from muniment.attest.tiles import TILE_WIDTH, bundles_of, split_entries


@dataclass(frozen=True, slots=True)
class Restored:
    """How many leaves the database had, and how many were put back."""

    had: int
    restored: int


def rebuild_tiles() -> int:
    """Derive every tile from the leaves again; return the size of the tree.

    Raises:
        LogRestoreRefused: the sequencer is at work: try again.
    """
    with only_sequencer() as is_only:
        _require_alone(is_only)
        with transaction.atomic(using=DATABASE, durable=True):
            LogTile.objects.using(DATABASE).all().delete()
            frontier = Frontier()
            extend_tiles(frontier, _leaf_hashes(), using=DATABASE)
        return frontier.tree_size


def restore_log(folder: Path, *, now: datetime) -> Restored:
    """Put back the entries that the published checkpoint covers and the database lacks.

    Args:
        folder: an export of this log that is at least as new as the published checkpoint.

    Raises:
        LogRestoreRefused: the export is too old or not this log's; the database holds entries
            that contradict it; or what would come out is not the published tree. Nothing is
            changed.
        AttestError: the export or the published checkpoint is malformed.
    """
    with only_sequencer() as is_only:
        _require_alone(is_only)
        published = published_checkpoint()
        if published is None:
            raise LogRestoreRefused(
                f"{published_file()} is missing: it says up to where the log was published."
            )
        had = LogLeaf.objects.using(DATABASE).aggregate(n=Coalesce(Max("leaf_index") + 1, 0))["n"]
        if had >= published.tree_size:
            return Restored(had, 0)
        frontier = catch_up(had)
        entries = _missing_entries(folder, had, published.tree_size)
        foreseen = Frontier(frontier.tree_size, frontier.edge)
        list(foreseen.append(leaf_hash(entry) for entry in entries))
        if foreseen.root_hash() != published.root_hash:
            raise LogRestoreRefused(
                f"The {had} leaves of the database and the entries of {folder} after them do not "
                f"give the published tree of {published.tree_size}: one of the two is not of this "
                "log, or was changed."
            )
        ids = _insert_entries(entries, now)
        _insert_leaves(frontier, ids, entries, published_file().read_bytes(), now)
        return Restored(had, len(entries))


def _require_alone(is_only: bool) -> None:
    if not is_only:
        raise LogRestoreRefused("The sequencer is at work: stop it, or try again.")


def _missing_entries(folder: Path, had: int, tree_size: int) -> list[bytes]:
    note = (folder / "checkpoint").read_bytes()
    exported = verify_checkpoint(note, keyring().log.vkeys)
    if exported.tree_size < tree_size:
        raise LogRestoreRefused(
            f"{folder} was exported at {exported.tree_size} entries; the published checkpoint "
            f"covers {tree_size}: a newer export is needed."
        )
    entries: list[bytes] = []
    for tile in bundles_of(exported.tree_size):
        first = tile.index * TILE_WIDTH
        if first + tile.width <= had or first >= tree_size:
            continue
        bundle = split_entries((folder / tile.path).read_bytes(), tile.width, tile.path)
        entries += bundle[max(0, had - first) : tree_size - first]
    return entries


def _insert_entries(entries: Sequence[bytes], now: datetime) -> list[int]:
    """Insert the entries that are not there, as what they state; return the ids of all."""
    trusted = keyring()
    keys = trusted.public_keys()
    ids = []
    with transaction.atomic(durable=True):
        others = LogPending.objects.exclude(entry__sha256__in=[_sha256(entry) for entry in entries])
        if others.exists():
            raise LogRestoreRefused(
                f"{others.count()} entries were written after the database was restored, and may "
                "take places in a model's stream that the published log has given to others. "
                "Restore the older copy once more with web, worker and sequencer stopped, then run "
                "this before you start them."
            )
        for envelope in entries:
            row = _row_of(envelope, now)
            known = LogEntry.objects.filter(sha256=row.sha256).values_list("pk", flat=True).first()
            if known is None:
                candidate = Candidate(
                    0,
                    envelope,
                    row.sha256,
                    row.predicate_type,
                    row.subject_name,
                    row.stream,
                    row.stream_seq,
                )
                refused, _ = refusal_of(candidate, trusted, keys)
                if refused is not None:
                    raise LogRestoreRefused(
                        f"An entry of the export may not stand in the log: {refused}."
                    )
                row.save(force_insert=True)
                known = row.pk
            ids.append(known)
            if row.stream is not None and row.stream_seq is not None:
                Stream.objects.update_or_create(
                    pk=row.stream,
                    defaults={"next_seq": row.stream_seq + 1, "last_sha256": row.sha256},
                )
    return ids


def _insert_leaves(
    frontier: Frontier, ids: Sequence[int], entries: Sequence[bytes], note: bytes, now: datetime
) -> None:
    hashes = [leaf_hash(entry) for entry in entries]
    first = frontier.tree_size
    with transaction.atomic(using=DATABASE, durable=True):
        LogLeaf.objects.using(DATABASE).bulk_create(
            [
                LogLeaf(leaf_index=first + place, entry_id=entry_id, leaf_hash=value)
                for place, (entry_id, value) in enumerate(zip(ids, hashes, strict=True))
            ]
        )
        with connections[DATABASE].cursor() as cursor:
            cursor.execute("DELETE FROM audits_log_pending WHERE entry_id = ANY(%s)", [list(ids)])
        extend_tiles(frontier, hashes, using=DATABASE)
        LogCheckpoint.objects.using(DATABASE).create(
            tree_size=frontier.tree_size,
            root_hash=frontier.root_hash(),
            note=note,
            signed_at=now,
        )


def _row_of(envelope: bytes, now: datetime) -> LogEntry:
    """Return the row that an entry's own words make."""
    try:
        statement = parse_statement(parse_envelope(envelope).payload)
        actor, at = _actor_and_time(statement, now)
    except (AttestError, KeyError, TypeError) as error:
        raise LogRestoreRefused(f"An entry of the export cannot be read: {error}") from error
    position = statement.position
    return LogEntry(
        envelope=envelope,
        sha256=_sha256(envelope),
        predicate_type=statement.predicate_type,
        event=SLSA_EVENTS.get(statement.predicate_type) or statement.predicate["event"],
        actor_kind=actor["kind"],
        actor_id=actor["id"],
        subject_name=statement.subjects[0].name,
        subject_digest=str(statement.subjects[0].digest),
        stream=position.stream if position else None,
        stream_seq=position.stream_seq if position else None,
        is_violation=bool(statement.predicate.get("violation", False)),
        at=at,
    )


def _actor_and_time(statement: Statement, now: datetime) -> tuple[dict[str, str], datetime]:
    if statement.predicate_type == SLSA_PROVENANCE:
        # SLSA has no field for either: the row gets the time at which it was put back.
        return RECORDER.to_mapping(), now
    if statement.predicate_type == VERIFICATION_SUMMARY:
        return EXECUTOR.to_mapping(), parse_time(statement.predicate["timeVerified"])
    return dict(statement.predicate["actor"]), parse_time(statement.predicate["at"])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _leaf_hashes() -> Iterator[bytes]:
    rows = LogLeaf.objects.using(DATABASE).order_by("leaf_index")
    for value in rows.values_list("leaf_hash", flat=True).iterator(chunk_size=10_000):
        yield bytes(value)
