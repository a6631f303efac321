"""What the pages of the log show: reads only, each in a number of queries that never grows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote

from django.db import connection

from audits.models import LogCheckpoint, LogEntry, LogLeaf, Stream
from audits.selectors import latest_checkpoint, prove_entries
from audits.web.names import actor_words, is_registry_subject, people_names, subject_words
from muniment.attest.envelope import parse_envelope

PAGE_SIZE = 50
_EVENT = re.compile(r"[a-z]{1,20}(\.[a-z_]{1,40})?")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What the list is narrowed to; empty text means everything."""

    model_name: str = ""
    event: str = ""
    unknown_event: str = ""
    only_violations: bool = False
    before: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> LogFilter:
        """Read a filter from the URL. An event that cannot be one is kept apart, to say so."""
        before = query.get("before", "")
        event = query.get("event", "").replace("\x00", "\ufffd")
        is_event = _EVENT.fullmatch(event) is not None
        return cls(
            model_name=query.get("model", "").replace("\x00", "").strip()[:256],
            event=event if is_event else "",
            unknown_event="" if is_event else event[:60],
            only_violations=query.get("violations") == "1",
            before=int(before)
            if before.isascii() and before.isdigit() and len(before) < 19
            else None,
        )


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the list."""

    sha256: str
    event: str
    at: object
    subject: str
    actor: str
    leaf_index: int | None
    is_included: bool
    is_violation: bool


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of the list, newest first; `older` continues it."""

    rows: tuple[LogRow, ...]
    older: int | None
    checkpoint: LogCheckpoint | None
    model_names: tuple[str, ...]
    families: tuple[tuple[str, tuple[str, ...]], ...]

    def has_event(self, wanted: str) -> bool:
        """Tell whether the log holds any entry of an event, or of a whole family of them."""
        return any(wanted == family or wanted in events for family, events in self.families)


# The names that occur, one step through the index for each: reading them does not grow with the
# log. Promotions bring events of their own, so that no list here could be complete.
_EVENT_NAMES = """
WITH RECURSIVE named(event) AS (
    SELECT min(event) FROM audits_log_entry
    UNION ALL
    SELECT (SELECT min(event) FROM audits_log_entry WHERE event > named.event)
    FROM named WHERE named.event IS NOT NULL
)
SELECT event FROM named WHERE event IS NOT NULL
"""


def event_families() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the events that the log holds, grouped by what comes before the dot."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENT_NAMES)
        names = [str(name) for (name,) in cursor.fetchall()]
    grouped = groupby(sorted(names), key=lambda name: name.partition(".")[0])
    return tuple((family, tuple(events)) for family, events in grouped)


def log_page(wanted: LogFilter) -> LogPage:
    """Read one page of the log. Paged by key, so that the last page costs what the first does."""
    entries = LogEntry.objects.select_related("leaf").defer("envelope").order_by("-id")
    if wanted.model_name:
        # A stream is `…/models/<quoted name>@<time>`: an exact name, whatever its source or age.
        entries = entries.filter(stream__contains=f"/models/{quote(wanted.model_name, safe='')}@")
    if wanted.event:
        family = {} if "." in wanted.event else {"event__startswith": f"{wanted.event}."}
        entries = entries.filter(**family or {"event": wanted.event})
    if wanted.only_violations:
        entries = entries.filter(is_violation=True)
    if wanted.before is not None:
        entries = entries.filter(id__lt=wanted.before)
    found = list(entries[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    checkpoint = latest_checkpoint()
    names = people_names(
        identifier
        for entry in shown
        for identifier in (entry.actor_id, entry.subject_name.removeprefix("person:"))
    )
    streams = Stream.objects.order_by("stream").values_list("stream", flat=True)[:200]
    return LogPage(
        rows=tuple(_row(entry, checkpoint, names) for entry in shown),
        older=shown[-1].pk if len(found) > PAGE_SIZE else None,
        checkpoint=checkpoint,
        model_names=tuple(dict.fromkeys(subject_words(stream) for stream in streams)),
        families=event_families(),
    )


def _row(entry: LogEntry, checkpoint: LogCheckpoint | None, names: dict[str, str]) -> LogRow:
    leaf_index = leaf_index_of(entry)
    return LogRow(
        sha256=entry.sha256,
        event=entry.event,
        at=entry.at,
        subject=_subject(entry.subject_name, names),
        actor=actor_words(entry.actor_kind, entry.actor_id, names),
        leaf_index=leaf_index,
        is_included=leaf_index is not None
        and checkpoint is not None
        and leaf_index < checkpoint.tree_size,
        is_violation=entry.is_violation,
    )


def leaf_index_of(entry: LogEntry) -> int | None:
    """Return the place of an entry in the tree, None while it has none."""
    try:
        return int(entry.leaf.leaf_index)
    except LogLeaf.DoesNotExist:
        return None


def _subject(name: str, names: dict[str, str]) -> str:
    if name.startswith("person:"):
        return names.get(name.removeprefix("person:"), name)
    return subject_words(name)


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One entry, its decoded statement and what proves it."""

    entry: LogEntry
    subject: str
    links_to_registry: bool
    actor: str
    statement: Mapping[str, Any]
    predicate: Mapping[str, Any]
    keyids: tuple[str, ...]
    size_bytes: int
    leaf_index: int | None
    checkpoint: LogCheckpoint | None
    root_hash: str
    is_included: bool
    proof: str
    previous_sha256: str
    next_sha256: str


def entry_page(entry: LogEntry) -> EntryPage:
    """Decode an entry and prove that it stands under the newest checkpoint."""
    envelope = bytes(entry.envelope)
    parsed = parse_envelope(envelope)
    statement = json.loads(parsed.payload)
    checkpoint = latest_checkpoint()
    proven = prove_entries([entry], checkpoint) if checkpoint else []
    names = people_names([entry.actor_id, entry.subject_name.removeprefix("person:")])
    previous = following = ""
    if entry.stream is not None and entry.stream_seq is not None:
        beside = dict(
            LogEntry.objects.filter(
                stream=entry.stream, stream_seq__in=[entry.stream_seq - 1, entry.stream_seq + 1]
            ).values_list("stream_seq", "sha256")
        )
        previous = beside.get(entry.stream_seq - 1, "")
        following = beside.get(entry.stream_seq + 1, "")
    return EntryPage(
        entry=entry,
        subject=_subject(entry.subject_name, names),
        links_to_registry=is_registry_subject(entry.subject_name),
        actor=actor_words(entry.actor_kind, entry.actor_id, names),
        statement=statement,
        predicate=statement.get("predicate", {}),
        keyids=tuple(signature.keyid for signature in parsed.signatures),
        size_bytes=len(envelope),
        leaf_index=proven[0].leaf_index if proven else leaf_index_of(entry),
        checkpoint=checkpoint,
        root_hash=bytes(checkpoint.root_hash).hex() if checkpoint else "",
        is_included=bool(proven),
        proof=proven[0].proof.decode() if proven else "",
        previous_sha256=previous,
        next_sha256=following,
    )
