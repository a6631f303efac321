"""What happens to a rollback grant, stated in its model's stream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audits.domain.actor import Actor
from audits.models import LogEntry
from audits.services.log import Seal
from muniment.attest.statement import format_time
from registry.domain.rollback import RollbackEvent
from registry.models import RollbackGrant
from registry.services.facts import state_registry_event


def state_rollback(
    *,
    rollback: RollbackGrant,
    event: RollbackEvent,
    detail: Mapping[str, Any] | None = None,
    is_move: bool = False,
    is_violation: bool = False,
    seal: Seal | None = None,
    actor: Actor,
    now: datetime,
) -> LogEntry:
    """Append a fact about a rollback grant to its model's stream, with the move that it is for.

    Args:
        is_move: the fact is about the move itself, which then stands as before and after.
    """
    before = {"version": rollback.from_version.version}
    after = {"version": rollback.version.version}
    return state_registry_event(
        event=event,
        registered_model=rollback.version.registered_model,
        version=rollback.version,
        before=before if is_move else None,
        after=after if is_move else None,
        detail={
            "rollback_id": str(rollback.pk),
            "alias": rollback.alias,
            "from_version": rollback.from_version.version,
            "to_version": rollback.version.version,
            "expires_at": format_time(rollback.expires_at),
            "status": str(rollback.status),
            **(detail or {}),
        },
        is_violation=is_violation,
        seal=seal,
        actor=actor,
        now=now,
    )


def words_of(rollback: RollbackGrant) -> str:
    """Return where a rollback grant stands, in words."""
    return str(rollback.status).replace("_", " ")
