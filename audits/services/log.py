"""Appending to the log: one way in, inside the transaction of what is stated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from audits.domain.actor import Actor
from audits.errors import NotInTransaction
from audits.models import LogEntry, Stream
from audits.services.signing import statement_signer
from muniment.attest.digest import Digest
from muniment.attest.envelope import sign_envelope
from muniment.attest.statement import StreamPosition, Subject, build_statement, format_time

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
) -> LogEntry:
    """Sign a statement and insert its exact bytes as a pending entry of the log.

    The caller's transaction holds the fact and its entry together: neither stands without the
    other. With a `stream`, the next `stream_seq` and the digest of the stream's last envelope are
    assigned under the stream's row lock.

    Args:
        predicate: the body without `event`, `at`, `actor` and the stream's fields.
        stream: the model URI, or None for what is not about a registered model.

    Raises:
        NotInTransaction: there is no transaction to join.
        EnvelopeError: the envelope would have more than 65,535 bytes.
        StatementError: the predicate does not fit its schema.
        KeyUnavailable: this process was not given the statement key.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(f"{event} must be appended in the transaction of what it states")
    head = position = None
    if stream is not None:
        head = lock_stream(stream)
        position = StreamPosition(
            stream=stream,
            stream_seq=head.next_seq,
            previous=Digest("sha256", head.last_sha256) if head.last_sha256 else None,
        )
    body = dict(predicate)
    if predicate_type != SLSA_PROVENANCE:
        body |= {"event": event, "at": format_time(now), "actor": actor.to_mapping()}
    payload = build_statement(
        subjects=[Subject(subject_name, subject_digest)],
        predicate_type=predicate_type,
        predicate=body,
        position=position,
    )
    envelope = sign_envelope(payload, statement_signer())
    sha256 = hashlib.sha256(envelope).hexdigest()
    entry = LogEntry.objects.create(
        envelope=envelope,
        sha256=sha256,
        predicate_type=predicate_type,
        event=event,
        actor_kind=actor.kind,
        actor_id=actor.id,
        subject_name=subject_name,
        subject_digest=str(subject_digest),
        stream=stream,
        stream_seq=position.stream_seq if position else None,
        is_violation=is_violation,
        at=now,
    )
    if head is not None:
        head.next_seq += 1
        head.last_sha256 = sha256
        head.save(update_fields=["next_seq", "last_sha256"])
    return entry
