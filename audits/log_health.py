"""How the log is: whole, current, looked at, and seen by others. Reads only.

The number of queries is the same whatever the log holds; each witness adds one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from audits.models import (
    Alarm,
    LogCheckpoint,
    LogEntry,
    LogLeaf,
    LogPending,
    LogVerification,
)
from audits.services.signing import keyring
from audits.witness_state import IndependentState, independent_state
from muniment.attest.errors import NoteError
from muniment.attest.note import parse_note, parse_vkey

# The sequencer runs every second; what has waited for ten times that is not being sequenced.
LATE = timedelta(seconds=10)
# One nightly verification may be missed before anybody is told.
VERIFICATION_LASTS = timedelta(hours=36)
ALARMS_REMEMBERED = timedelta(days=30)
LISTED = 50


@dataclass(frozen=True, slots=True)
class HeadSignature:
    """One signature under the newest checkpoint.

    Attributes:
        name: whose it is, as the line says.
        key_hash: four bytes in hexadecimal; the same stands in the verifier key.
        vkey: the log's verifier key that it is of; empty of any other signer.
    """

    name: str
    key_hash: str
    vkey: str


@dataclass(frozen=True, slots=True)
class Head:
    """The newest signed tree head."""

    tree_size: int
    root_hash: str
    signed_at: datetime
    signatures: tuple[HeadSignature, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that the sequencer refuses, the newest first in lists."""

    sha256: str
    event: str
    subject_name: str
    at: datetime
    refused_at: datetime
    code: str


@dataclass(frozen=True, slots=True)
class LogHealth:
    """How the log was at one moment.

    Attributes:
        waiting: entries without a place, or with one that no checkpoint covers yet.
        refused: the newest of the refused entries; `refused_count` counts all of them.
        others: what witnesses and an independent clock said.
        recent_alarms: cleared within `ALARMS_REMEMBERED`, the newest first.
        vkeys: every verifier key of the log, the one in use first.
    """

    at: datetime
    origin: str
    vkeys: tuple[str, ...]
    head: Head | None
    waiting: int
    waiting_since: datetime | None
    refused_count: int
    refused: tuple[Refused, ...]
    verification: LogVerification | None
    others: IndependentState
    open_alarms: tuple[Alarm, ...]
    recent_alarms: tuple[Alarm, ...]

    @property
    def is_sequencer_late(self) -> bool:
        """Whether an entry waits for longer than a running sequencer lets it."""
        return self.waiting_since is not None and self.at - self.waiting_since > LATE

    @property
    def is_verification_overdue(self) -> bool:
        """Whether the last full verification is too long ago, or never was."""
        last = self.verification
        return last is None or self.at - last.finished_at > VERIFICATION_LASTS


def open_alarms() -> tuple[Alarm, ...]:
    """Return what people must look at, the oldest first."""
    return tuple(Alarm.objects.filter(cleared_at__isnull=True).order_by("raised_at"))


def log_health(*, now: datetime) -> LogHealth:
    """Return how the log is."""
    log = keyring().log
    checkpoint = LogCheckpoint.objects.order_by("-tree_size").first()
    waiting, since = _waiting(checkpoint.tree_size if checkpoint else 0)
    refused = LogPending.objects.exclude(refused_code="")
    alarms = Alarm.objects.filter(
        Q(cleared_at__isnull=True) | Q(cleared_at__gt=now - ALARMS_REMEMBERED)
    ).order_by("raised_at")
    open_now = tuple(alarm for alarm in alarms if alarm.cleared_at is None)
    cleared = [alarm for alarm in alarms if alarm.cleared_at is not None]
    return LogHealth(
        at=now,
        origin=log.origin,
        vkeys=log.vkeys,
        head=_head(checkpoint, log.vkeys) if checkpoint else None,
        waiting=waiting,
        waiting_since=since,
        refused_count=refused.count(),
        refused=_refused(
            refused.select_related("entry").defer("entry__envelope").order_by("-entry_id")[:LISTED]
        ),
        verification=LogVerification.objects.order_by("-finished_at").first(),
        others=independent_state(),
        open_alarms=open_now,
        recent_alarms=tuple(reversed(cleared[-LISTED:])),
    )


def _waiting(tree_size: int) -> tuple[int, datetime | None]:
    """Count what waits, and say since when: for a place, or for a checkpoint over it."""
    pending = LogPending.objects.filter(refused_code="").values("entry_id")
    unsigned = LogLeaf.objects.filter(leaf_index__gte=tree_size).values("entry_id")
    found = LogEntry.objects.filter(pk__in=pending.union(unsigned, all=True)).aggregate(
        count=Count("pk"), since=Min("at")
    )
    return int(found["count"]), found["since"]


def _head(checkpoint: LogCheckpoint, vkeys: tuple[str, ...]) -> Head:
    known = {}
    for vkey in vkeys:
        verifier = parse_vkey(vkey)
        known[verifier.name, verifier.key_hash] = vkey
    try:
        signed = parse_note(bytes(checkpoint.note)).signatures
    except NoteError:  # whoever can write to the database can write anything here
        signed = ()
    return Head(
        tree_size=checkpoint.tree_size,
        root_hash=bytes(checkpoint.root_hash).hex(),
        signed_at=checkpoint.signed_at,
        signatures=tuple(
            HeadSignature(line.name, line.key_hash.hex(), known.get((line.name, line.key_hash), ""))
            for line in signed
        ),
    )


def _refused(rows: Iterable[LogPending]) -> tuple[Refused, ...]:
    return tuple(
        Refused(
            sha256=row.entry.sha256,
            event=row.entry.event,
            subject_name=row.entry.subject_name,
            at=row.entry.at,
            refused_at=row.refused_at or row.entry.at,
            code=row.refused_code,
        )
        for row in rows
    )
