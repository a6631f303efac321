"""Entries that somebody wrote into the database without a permitted key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from audits.models import LogEntry


def write_entry(envelope: bytes = b"not an envelope", **columns: Any) -> LogEntry:
    """Insert a row as whoever may write to the database can: with any bytes and any columns."""
    values: dict[str, Any] = {
        "sha256": hashlib.sha256(envelope).hexdigest(),
        "predicate_type": "https://muniment.dev/approval/v1",
        "event": "approval.given",
        "actor_kind": "person",
        "actor_id": "stranger",
        "subject_name": "muniment://default/models/boston-mortgage@1/versions/1",
        "subject_digest": "sha256:" + "0" * 64,
        "at": datetime.now(UTC),
    }
    return LogEntry.objects.create(envelope=envelope, **{**values, **columns})
