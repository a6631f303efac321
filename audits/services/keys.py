"""Enrolling keys: the log itself says which key may sign what."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audits.domain.actor import SETUP
from audits.domain.log import Event
from audits.models import LogEntry
from audits.services.log import append_statement, predicate_type
from audits.services.signing import keyring


@transaction.atomic(durable=True)
def enroll_keys(*, now: datetime) -> list[LogEntry]:
    """State every key of the keyring that the log does not know yet; return the new entries.

    The log's own keys come last, so that whoever trusts one of them learns of the others.
    """
    entries = []
    ring = keyring()
    for key in (*ring.keys, *ring.log.keys):
        name = key.subject.name
        if LogEntry.objects.filter(subject_name=name, event=Event.KEY_ENROLLED).exists():
            continue
        entries.append(
            append_statement(
                event=Event.KEY_ENROLLED,
                predicate_type=predicate_type("key"),
                subject_name=name,
                subject_digest=key.subject.digest,
                predicate=key.as_mapping(),
                stream=None,
                actor=SETUP,
                now=now,
            )
        )
    return entries
