"""Finding the entries that a filter means: names as people write them, looked up in indexes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import cast
from urllib.parse import quote

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from audits.models import LogEntry, LogLeaf, LogPending, Stream
from audits.web.log_filter import REFUSED, WAITING, LogFilter
from audits.web.names import actor_words, is_person_id, people_names, subject_words

_VERSION = re.compile(r"(?P<name>.+) v(?P<version>[0-9]{1,18})", re.ASCII | re.DOTALL)
_SHA256 = re.compile(r"[0-9a-f]{64}")

# The values that occur, one step through the index for each: reading them does not grow with the
# log. Promotions bring events of their own, so that no list here could be complete.
_DISTINCT = """
WITH RECURSIVE named(value) AS (
    SELECT min({column}) FROM audits_log_entry
    UNION ALL
    SELECT (SELECT min({column}) FROM audits_log_entry WHERE {column} > named.value)
    FROM named WHERE named.value IS NOT NULL
)
SELECT value FROM named WHERE value IS NOT NULL
"""
_EVENTS = _DISTINCT.format(column="event")
_ACTORS = _DISTINCT.format(column="actor_id")


@dataclass(frozen=True, slots=True)
class LogActor:
    """Somebody who did what the log says: a person under a pseudonymous id, or a service."""

    id: str
    words: str


def event_families() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the events that the log holds, grouped by what comes before the dot."""
    grouped = groupby(sorted(_values(_EVENTS)), key=lambda name: name.partition(".")[0])
    return tuple((family, tuple(events)) for family, events in grouped)


def log_actors() -> tuple[LogActor, ...]:
    """Return everybody who occurs in the log, by name."""
    ids = _values(_ACTORS)
    names = people_names(ids)
    found = (
        LogActor(pk, actor_words("person" if is_person_id(pk) else "service", pk, names))
        for pk in ids
    )
    return tuple(sorted(found, key=lambda actor: actor.words.casefold()))


def actors_meant(text: str, actors: Iterable[LogActor]) -> list[str]:
    """Return the ids of those whom a name or an id means; two people may share a name."""
    wanted = text.casefold()
    return [actor.id for actor in actors if wanted in (actor.words.casefold(), actor.id)]


def find_entries(wanted: LogFilter, actor_ids: Iterable[str], tree_size: int) -> QuerySet[LogEntry]:
    """Return what a filter means, newest first, as far as its page goes on from.

    Refused entries never entered the log, so that they are found only when they are asked for.

    Args:
        actor_ids: whom the filter's `actor` means.
        tree_size: how many entries the newest checkpoint covers.
    """
    entries = LogEntry.objects.select_related("leaf", "pending").defer("envelope")
    refused = LogPending.objects.filter(entry=OuterRef("pk")).exclude(refused_code="")
    entries = entries.filter(Exists(refused) if wanted.state == REFUSED else ~Exists(refused))
    if wanted.state == WAITING:
        entries = entries.filter(pk__in=waiting_ids(tree_size))
    if wanted.subject:
        entries = entries.filter(_about(wanted.subject))
    if wanted.event:
        whole = Q(event=wanted.event)
        entries = entries.filter(
            whole if "." in wanted.event else Q(event__startswith=f"{wanted.event}.")
        )
    if wanted.actor:
        entries = entries.filter(actor_id__in=list(actor_ids))
    if wanted.only_violations:
        entries = entries.filter(is_violation=True)
    if wanted.begins_at is not None:
        entries = entries.filter(at__gte=wanted.begins_at)
    if wanted.ends_at is not None:
        entries = entries.filter(at__lte=wanted.ends_at)
    return _paged(entries, wanted)


def waiting_ids(tree_size: int) -> QuerySet[LogPending]:
    """Return the ids of the entries that wait for a place or for a checkpoint over it."""
    pending = LogPending.objects.filter(refused_code="").values_list("entry_id")
    unsigned = LogLeaf.objects.filter(leaf_index__gte=tree_size).values_list("entry_id")
    return cast("QuerySet[LogPending]", pending.union(unsigned, all=True))


def _paged(entries: QuerySet[LogEntry], wanted: LogFilter) -> QuerySet[LogEntry]:
    """Go on from a key, so that the last page costs what the first does.

    By time where time narrows the list: the index on it then leads to the first entry at once,
    and to the next page.
    """
    if not wanted.has_days:
        entries = entries.order_by("-pk")
        return entries if wanted.before is None else entries.filter(pk__lt=wanted.before)
    entries = entries.order_by("-at", "-pk")
    if wanted.before is None:
        return entries
    at = LogEntry.objects.filter(pk=wanted.before).values_list("at", flat=True).first()
    if at is None:
        return entries.filter(pk__lt=wanted.before)
    return entries.filter(Q(at__lt=at) | Q(at=at, pk__lt=wanted.before), at__lte=at)


def _about(text: str) -> Q:
    """Return what means one subject: a URI, a model, `model v2`, a person, an envelope's digest."""
    if text.startswith("muniment://"):
        return Q(stream=text) | Q(subject_name=text)
    subjects = [text, *(f"person:{pk}" for pk in _people_called(text))]
    version = _VERSION.fullmatch(text)
    streams = _streams([text] if version is None else [text, version["name"]])
    if version is not None:
        subjects += [
            f"{stream}/versions/{int(version['version'])}"
            for stream in streams
            if subject_words(stream) == version["name"]
        ]
        streams = [stream for stream in streams if subject_words(stream) == text]
    about = Q(stream__in=streams) | Q(subject_name__in=subjects)
    return about | Q(sha256=text) if _SHA256.fullmatch(text) else about


def _streams(names: Iterable[str]) -> list[str]:
    """Return the streams of the models of these exact names, whatever their source or age."""
    meant = Q()
    for name in names:
        meant |= Q(stream__contains=f"/models/{quote(name, safe='')}@")
    return list(Stream.objects.filter(meant).values_list("stream", flat=True))


def _people_called(name: str) -> list[str]:
    people = get_user_model()._default_manager.filter(printed_name=name)
    return [str(pk) for pk in people.values_list("pk", flat=True)]


def _values(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [str(value) for (value,) in cursor.fetchall()]
