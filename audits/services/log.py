"""Appending to the log: one way in, inside the transaction of what is stated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from audits.domain.actor import Actor
from audits.errors import NotInTransaction
from audits.models import LogEntry, Stream
from audits.services.signing import statement_signer
from muniment.attest.digest import Digest
from muniment.attest.envelope import sign_envelope
from muniment.attest.predicates import SLSA_EVENTS
from muniment.attest.statement import StreamPosition, Subject, build_statement, format_time

# Given a statement's subject, type and body as they will stand but for the place in the stream:
# returns the body with what a person signed it with.
Seal = Callable[[Subject, str, Mapping[str, Any]], Mapping[str, Any]]
SLSA_PROVENANCE = "https://slsa.dev/provenance/v1"


def predicate_type(name: str) -> str:
    """Return the type of our own predicate `name`."""
    return f"https://muniment.dev/{name}/v1"


def lock_stream(stream: str) -> Stream:
    """Lock the head of a model's stream until the transaction ends.

    Appending takes this lock, so it comes before every other that a service takes on what belongs
    to the model: in any other order, two could each hold what the other waits for.
    """
    Stream.objects.bulk_create([Stream(stream=stream)], ignore_conflicts=True)
    return Stream.objects.select_for_update().get(pk=stream)


@dataclass(frozen=True, slots=True)
class NewStatement:
    """A statement about to be appended.

    Attributes:
        predicate: the body without `event`, `at`, `actor` and the stream's fields.
        stream: the model URI, or None for what is not about a registered model.
        seal: what a person signs it with; None where nobody does.
    """

    event: str
    predicate_type: str
    subject_name: str
    subject_digest: Digest
    predicate: Mapping[str, Any]
    stream: str | None
    is_violation: bool = False
    seal: Seal | None = None


def append_statement(
    *,
    event: str,
    predicate_type: str,
    subject_name: str,
    subject_digest: Digest,
    predicate: Mapping[str, Any],
    stream: str | None,
    actor: Actor,
    now: datetime,
    is_violation: bool = False,
    seal: Seal | None = None,
) -> LogEntry:
    """Sign a statement and insert its exact bytes as a pending entry of the log.

    Args:
        predicate: as in `NewStatement`, which the others are of too.

    Raises:
        As `append_statements`.
    """
    statement = NewStatement(
        event=event,
        predicate_type=predicate_type,
        subject_name=subject_name,
        subject_digest=subject_digest,
        predicate=predicate,
        stream=stream,
        is_violation=is_violation,
        seal=seal,
    )
    return append_statements([statement], actor=actor, now=now)[0]


def append_statements(
    statements: Sequence[NewStatement], *, actor: Actor, now: datetime
) -> list[LogEntry]:
    """Sign statements and insert their exact bytes as pending entries, in the order given.

    The caller's transaction holds the facts and their entries together: neither stands without
    the other. Where there is a stream, the next `stream_seq` and the digest of the stream's last
    envelope are assigned under the stream's row lock. Four queries, however many statements.

    Raises:
        NotInTransaction: there is no transaction to join.
        EnvelopeError: an envelope would have more than 65,535 bytes.
        StatementError: a predicate does not fit its schema.
        KeyUnavailable: this process was not given the statement key.
    """
    if not connection.in_atomic_block:
        events = ", ".join(sorted({statement.event for statement in statements}))
        raise NotInTransaction(f"{events} must be appended in the transaction of what it states")
    heads = lock_streams({statement.stream for statement in statements if statement.stream})
    entries = [_signed(statement, heads, actor=actor, now=now) for statement in statements]
    LogEntry.objects.bulk_create(entries)
    # They exist, or they were not locked: this is one update of them all, and a cheaper one.
    Stream.objects.bulk_create(
        heads.values(),
        update_conflicts=True,
        unique_fields=["stream"],
        update_fields=["next_seq", "last_sha256"],
    )
    return entries


def lock_streams(names: Set[str]) -> dict[str, Stream]:
    """Lock the heads of several streams until the transaction ends; return them by name."""
    # In one order, or two that append to the same streams could each hold what the other needs.
    ordered = sorted(names)
    Stream.objects.bulk_create([Stream(stream=name) for name in ordered], ignore_conflicts=True)
    locked = Stream.objects.select_for_update().filter(pk__in=ordered).order_by("pk")
    return {head.stream: head for head in locked} if ordered else {}


def _signed(
    statement: NewStatement, heads: Mapping[str, Stream], *, actor: Actor, now: datetime
) -> LogEntry:
    """Sign a statement as the next of its stream, whose head moves on."""
    head = heads[statement.stream] if statement.stream else None
    position = None
    if head is not None:
        position = StreamPosition(
            stream=head.stream,
            stream_seq=head.next_seq,
            previous=Digest("sha256", head.last_sha256) if head.last_sha256 else None,
        )
    subject = Subject(statement.subject_name, statement.subject_digest)
    body = dict(statement.predicate)
    if statement.predicate_type not in SLSA_EVENTS:
        body |= {"event": statement.event, "at": format_time(now), "actor": actor.to_mapping()}
    if statement.seal is not None:
        body = dict(statement.seal(subject, statement.predicate_type, body))
    payload = build_statement(
        subjects=[subject],
        predicate_type=statement.predicate_type,
        predicate=body,
        position=position,
    )
    envelope = sign_envelope(payload, statement_signer())
    sha256 = hashlib.sha256(envelope).hexdigest()
    if head is not None:
        head.next_seq += 1
        head.last_sha256 = sha256
    return LogEntry(
        envelope=envelope,
        sha256=sha256,
        predicate_type=statement.predicate_type,
        event=statement.event,
        actor_kind=actor.kind,
        actor_id=actor.id,
        subject_name=statement.subject_name,
        subject_digest=str(statement.subject_digest),
        stream=statement.stream,
        stream_seq=position.stream_seq if position else None,
        is_violation=statement.is_violation,
        at=now,
    )
