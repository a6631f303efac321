"""The whole log, recomputed from the database and compared with everything that was ever signed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.db.models.functions import Coalesce

from audits.domain.log_finding import LogFinding
from audits.errors import AuditsError, LogUnverified, NotLookedAt
from audits.log_tree import read_tile
from audits.models import LogCheckpoint, LogEntry, LogLeaf, LogTile, LogVerification
from audits.services import alarms
from audits.services.checkpoint_verification import (
    require_cosignatures,
    require_published,
    require_timestamps,
)
from audits.services.sequencing import Candidate, refusal_of
from audits.services.signing import keyring
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.errors import AttestError
from muniment.attest.merkle import HASH_BYTES, leaf_hash
from muniment.attest.tile_tree import Frontier
from muniment.attest.tiles import TILE_WIDTH, Tile

_ROWS = 2000


@dataclass(slots=True)
class _Findings:
    made: list[LogFinding] = field(default_factory=list)

    @contextmanager
    def look_at(self, finding_id: str, title: str) -> Iterator[list[str]]:
        """Make one finding: it holds unless what is looked at refuses."""
        detail: list[str] = []
        try:
            yield detail
        except NotLookedAt as error:
            self.made.append(LogFinding(finding_id, title, True, str(error), is_skipped=True))
        except (AttestError, AuditsError) as error:
            self.made.append(LogFinding(finding_id, title, False, str(error)))
        else:
            self.made.append(LogFinding(finding_id, title, True, " ".join(detail)))


def verify_log(
    *, now: datetime, clock: Callable[[], datetime], hashes_only: bool = False
) -> LogVerification:
    """Recompute the log and record what was found; an alarm says so where it does not hold.

    Memory does not grow with the log. What came after the newest checkpoint when this began is
    left for the next time.

    Args:
        now: when it began.
        clock: asked once more at the end.
        hashes_only: leave out the signatures of entries and the models' streams.
    """
    newest = LogCheckpoint.objects.order_by("-tree_size").first()
    tree_size = newest.tree_size if newest else 0
    findings = _Findings()
    with findings.look_at(
        "log.tree", "Every entry, leaf, tile and checkpoint belongs to one tree"
    ) as detail:
        checkpoints = _require_one_tree(tree_size)
        detail.append(f"Entries: {tree_size}. Checkpoints: {checkpoints}.")
    if not hashes_only:
        with findings.look_at(
            "log.statements", "A permitted key signed every entry, and no stream has a gap"
        ) as detail:
            detail.append(f"Streams: {_require_statements(tree_size)}.")
    with findings.look_at("log.pending", "Every entry has its leaf, or waits for one") as detail:
        detail.append(f"Waiting or refused: {_require_nothing_lost()}.")
    with findings.look_at(
        "log.published", "The file outside the database holds a checkpoint of this tree"
    ) as detail:
        detail.append(require_published(tree_size))
    with findings.look_at("log.timestamps", "Every timestamp is one of its checkpoint") as detail:
        detail.append(require_timestamps(settings.TSA_CA_FILE))
    with findings.look_at("log.cosignatures", "Every cosignature verifies") as detail:
        detail.append(require_cosignatures())
    holds = all(finding.holds for finding in findings.made)
    finished_at = clock()
    record = LogVerification.objects.create(
        started_at=now,
        finished_at=finished_at,
        tree_size=tree_size,
        holds=holds,
        findings=[finding.as_mapping() for finding in findings.made],
    )
    if holds:
        alarms.clear_alarm(alarms.LOG_NOT_VERIFIED, now=finished_at)
    else:
        failed = next(finding for finding in findings.made if not finding.holds)
        alarms.raise_alarm(
            alarms.LOG_NOT_VERIFIED,
            f"The log does not verify: {failed.detail} Do not rely on what it shows until this is "
            "explained: see docs/log-recovery.md.",
            now=finished_at,
        )
    return record


def _require_one_tree(tree_size: int) -> int:
    """Fold every entry into a tree; compare leaves, tiles and checkpoints on the way."""
    frontier = Frontier()
    signed = _signed_checkpoints()
    next_signed = next(signed, None)
    compared = 0
    read = read_tile()
    rows = _leaves(tree_size)
    if next_signed is not None and next_signed[0] == 0:
        raise LogUnverified("A checkpoint over no entries was signed.")
    while portion := list(islice(rows, TILE_WIDTH)):
        hashes: list[bytes] = []
        for leaf_index, entry_hash, sha256, envelope in portion:
            if leaf_index != frontier.tree_size + len(hashes):
                raise LogUnverified(
                    f"Leaf {frontier.tree_size + len(hashes)} is missing: {leaf_index} follows."
                )
            computed = leaf_hash(envelope)
            if computed != entry_hash:
                raise LogUnverified(
                    f"The leaf hash of leaf {leaf_index} is not that of its entry's bytes."
                )
            if hashlib.sha256(envelope).hexdigest() != sha256:
                raise LogUnverified(f"The digest column of leaf {leaf_index} is not its entry's.")
            hashes.append(computed)
        for value in hashes:
            for level, index, full in frontier.append([value]):
                _require_tile(Tile(level, index), b"".join(full), read(Tile(level, index)))
            while next_signed is not None and next_signed[0] == frontier.tree_size:
                _require_checkpoint(next_signed, frontier)
                compared += 1
                next_signed = next(signed, None)
    if frontier.tree_size < tree_size or next_signed is not None:
        size = next_signed[0] if next_signed else tree_size
        raise LogUnverified(
            f"A checkpoint covers {size} entries, the database holds {frontier.tree_size} leaves."
        )
    for level, hashes in enumerate(frontier.edge):
        if hashes:
            tile = Tile(level, (frontier.tree_size >> 8 * level) // TILE_WIDTH, len(hashes))
            _require_tile(tile, b"".join(hashes), read(tile)[: tile.width * HASH_BYTES])
    _require_no_other_tiles()
    return compared


def _require_tile(tile: Tile, computed: bytes, stored: bytes) -> None:
    if computed == stored:
        return
    place = next(
        (at for at, pair in enumerate(zip(computed, stored, strict=False)) if pair[0] != pair[1]), 0
    )
    raise LogUnverified(
        f"{tile.path} in the database differs from the tree at hash {place // HASH_BYTES}: run "
        "`manage.py log rebuild-tiles`."
    )


def _require_no_other_tiles() -> None:
    """Refuse tiles that no leaf gives; leaves that came meanwhile may have theirs already."""
    leaves = LogLeaf.objects.aggregate(n=Coalesce(Max("leaf_index") + 1, 0))["n"]
    for level, last in LogTile.objects.values_list("level").annotate(Max("index")):
        if last * TILE_WIDTH << 8 * level >= leaves:
            raise LogUnverified(
                f"{Tile(level, last).path} is in the database, and {leaves} leaves give no such "
                "tile: run `manage.py log rebuild-tiles`."
            )


def _require_checkpoint(signed: tuple[int, bytes, bytes], frontier: Frontier) -> None:
    size, root_hash, note = signed
    computed = frontier.root_hash()
    try:
        checkpoint = verify_checkpoint(note, keyring().log.vkeys)
    except AttestError as error:
        raise LogUnverified(f"The checkpoint over {size} entries: {error.message}.") from error
    if checkpoint.tree_size != size or root_hash != checkpoint.root_hash:
        raise LogUnverified(
            f"The checkpoint over {size} entries has other columns than its signed note."
        )
    if checkpoint.root_hash != computed:
        raise LogUnverified(
            f"The checkpoint over {size} entries was signed with root {root_hash.hex()[:16]}…, the "
            f"entries give {computed.hex()[:16]}…: an entry before leaf {size} was changed."
        )


def _require_statements(tree_size: int) -> int:
    trusted = keyring()
    keys = trusted.public_keys()
    heads: dict[str, tuple[int, str]] = {}
    entries = LogEntry.objects.filter(leaf__leaf_index__lt=tree_size).order_by("leaf__leaf_index")
    columns = ("id", "envelope", "sha256", "predicate_type", "subject_name", "stream", "stream_seq")
    rows = entries.values_list("leaf__leaf_index", *columns).iterator(chunk_size=_ROWS)
    for leaf_index, pk, envelope, *rest in rows:
        candidate = Candidate(pk, bytes(envelope), *rest)
        refused, previous = refusal_of(candidate, trusted, keys)
        if refused is not None:
            raise LogUnverified(f"Leaf {leaf_index} may not stand in the log: {refused}.")
        if candidate.stream is None or candidate.stream_seq is None:
            continue
        seq, sha256 = heads.get(candidate.stream, (-1, None))
        if candidate.stream_seq != seq + 1 or previous != sha256:
            raise LogUnverified(
                f"Leaf {leaf_index} is number {candidate.stream_seq} of {candidate.stream}, which "
                f"does not follow number {seq} there."
            )
        heads[candidate.stream] = (candidate.stream_seq, candidate.sha256)
    return len(heads)


def _require_nothing_lost() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE pending.entry_id IS NULL), count(pending.entry_id),"
            " min(entry.id) FILTER (WHERE pending.entry_id IS NULL)"
            " FROM audits_log_entry entry"
            " LEFT JOIN audits_log_leaf leaf ON leaf.entry_id = entry.id"
            " LEFT JOIN audits_log_pending pending ON pending.entry_id = entry.id"
            " WHERE leaf.entry_id IS NULL"
        )
        lost, waiting, first = cursor.fetchone()
    if lost:
        raise LogUnverified(
            f"{lost} entries have no leaf and do not wait for one, the first with id {first}: "
            "somebody removed them from the queue."
        )
    return int(waiting)


def _leaves(tree_size: int) -> Iterator[tuple[int, bytes, str, bytes]]:
    rows = (
        LogLeaf.objects.filter(leaf_index__lt=tree_size)
        .order_by("leaf_index")
        .values_list("leaf_index", "leaf_hash", "entry__sha256", "entry__envelope")
    )
    for leaf_index, entry_hash, sha256, envelope in rows.iterator(chunk_size=_ROWS):
        yield leaf_index, bytes(entry_hash), sha256, bytes(envelope)


def _signed_checkpoints() -> Iterator[tuple[int, bytes, bytes]]:
    rows = LogCheckpoint.objects.order_by("tree_size").values_list("tree_size", "root_hash", "note")
    for size, root_hash, note in rows.iterator(chunk_size=_ROWS):
        yield size, bytes(root_hash), bytes(note)
