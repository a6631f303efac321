"""Facts about a registered model or version, as the log states them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audits.domain.actor import Actor
from audits.models import LogEntry
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest
from registry.domain.mirror import mapping_hash
from registry.models import ModelVersion, RegisteredModel


def state_registry_event(
    *,
    event: str,
    registered_model: RegisteredModel,
    version: ModelVersion | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    detail: Mapping[str, Any] | None = None,
    is_violation: bool = False,
    actor: Actor,
    now: datetime,
) -> LogEntry:
    """Append a fact about a model, or one of its versions, to the model's stream.

    The subject's digest is that of its canonical registry row: a registry event is about what
    MLflow says, not about bytes.
    """
    subject = version or registered_model
    predicate: dict[str, Any] = {
        "before": None if before is None else dict(before),
        "after": None if after is None else dict(after),
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
    )
