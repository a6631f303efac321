"""Facts about a registered model or version, as the log states them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audits.domain.actor import Actor
from audits.models import LogEntry
from audits.services.log import Seal, append_statement, predicate_type
from muniment.attest.digest import Digest, canonical_json
from registry.domain.mirror import mapping_hash
from registry.models import ModelVersion, RegisteredModel

# Two rows of this many bytes, signed and encoded, stay well below the 65,535 of a log entry.
MAX_ROW_BYTES = 12_000
MAX_VALUE_BYTES = 1_000


def state_registry_event(
    *,
    event: str,
    registered_model: RegisteredModel,
    version: ModelVersion | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    detail: Mapping[str, Any] | None = None,
    is_violation: bool = False,
    seal: Seal | None = None,
    actor: Actor,
    now: datetime,
) -> LogEntry:
    """Append a fact about a model, or one of its versions, to the model's stream.

    The subject's digest is that of its canonical registry row: a registry event is about what
    MLflow says, not about bytes. Of a row too large for one statement, every large value is
    stated by its digest (`{"sha256", "bytes"}`, over its canonical JSON).
    """
    subject = version or registered_model
    predicate: dict[str, Any] = {
        "before": stated_row(before),
        "after": stated_row(after),
        "violation": is_violation,
    }
    if detail:
        predicate["detail"] = dict(detail)
    return append_statement(
        event=event,
        predicate_type=predicate_type("registry-event"),
        subject_name=subject.uri,
        subject_digest=Digest("sha256", mapping_hash(subject.row)),
        predicate=predicate,
        stream=registered_model.uri,
        actor=actor,
        now=now,
        is_violation=is_violation,
        seal=seal,
    )


def stated_row(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a row as a statement holds it: large values by their digest where it is too large."""
    if row is None or len(canonical_json(dict(row))) <= MAX_ROW_BYTES:
        return None if row is None else dict(row)
    return {key: _shortened(value) for key, value in row.items()}


def _shortened(value: object) -> object:
    content = canonical_json(value)
    if len(content) <= MAX_VALUE_BYTES:
        return value
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
