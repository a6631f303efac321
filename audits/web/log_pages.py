"""What the list of the log shows: reads only, in a number of queries that never grows."""

from __future__ import annotations

from dataclasses import dataclass

from audits.domain.log_wording import refusal_words
from audits.models import LogCheckpoint, LogEntry, LogLeaf, LogPending, Stream
from audits.selectors import latest_checkpoint
from audits.web.log_filter import REFUSED, WAITING, LogFilter
from audits.web.log_search import (
    LogActor,
    actors_meant,
    event_families,
    find_entries,
    log_actors,
)
from audits.web.names import actor_words, people_names, subject_words

PAGE_SIZE = 50
INCLUDED = "included"


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the list; `state` is one of `included`, `waiting` and `refused`."""

    sha256: str
    event: str
    at: object
    subject: str
    actor: str
    leaf_index: int | None
    state: str
    refusal: str
    is_violation: bool


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of the list, newest first; `older` continues it."""

    rows: tuple[LogRow, ...]
    older: int | None
    checkpoint: LogCheckpoint | None
    refused: int
    model_names: tuple[str, ...]
    actors: tuple[LogActor, ...]
    families: tuple[tuple[str, tuple[str, ...]], ...]
    is_actor_known: bool

    def has_event(self, wanted: str) -> bool:
        """Tell whether the log holds any entry of an event, or of a whole family of them."""
        return any(wanted == family or wanted in events for family, events in self.families)


def log_page(wanted: LogFilter) -> LogPage:
    """Read one page of the log."""
    checkpoint = latest_checkpoint()
    actors = log_actors()
    meant = actors_meant(wanted.actor, actors) if wanted.actor else []
    entries = find_entries(wanted, meant, checkpoint.tree_size if checkpoint else 0)
    found = list(entries[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
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
        refused=LogPending.objects.exclude(refused_code="").count(),
        model_names=tuple(dict.fromkeys(subject_words(stream) for stream in streams)),
        actors=actors,
        families=event_families(),
        is_actor_known=not wanted.actor or bool(meant),
    )


def _row(entry: LogEntry, checkpoint: LogCheckpoint | None, names: dict[str, str]) -> LogRow:
    code = refused_code_of(entry)
    return LogRow(
        sha256=entry.sha256,
        event=entry.event,
        at=entry.at,
        subject=subject_of(entry.subject_name, names),
        actor=actor_words(entry.actor_kind, entry.actor_id, names),
        leaf_index=leaf_index_of(entry),
        state=state_of(entry, checkpoint),
        refusal=refusal_words(code) if code else "",
        is_violation=entry.is_violation,
    )


def state_of(entry: LogEntry, checkpoint: LogCheckpoint | None) -> str:
    """Return whether an entry stands under a checkpoint, waits for one, or never will."""
    leaf_index = leaf_index_of(entry)
    if leaf_index is not None and checkpoint is not None and leaf_index < checkpoint.tree_size:
        return INCLUDED
    return REFUSED if refused_code_of(entry) else WAITING


def leaf_index_of(entry: LogEntry) -> int | None:
    """Return the place of an entry in the tree, None while it has none."""
    try:
        return int(entry.leaf.leaf_index)
    except LogLeaf.DoesNotExist:
        return None


def refused_code_of(entry: LogEntry) -> str:
    """Return the code of why the sequencer refuses an entry; empty where it does not."""
    try:
        return str(entry.pending.refused_code)
    except LogPending.DoesNotExist:
        return ""


def subject_of(name: str, names: dict[str, str]) -> str:
    """Say what an entry is about; a person by name while there is one."""
    if name.startswith("person:"):
        return names.get(name.removeprefix("person:"), name)
    return subject_words(name)
