"""Rollback grants: the list, what happened to one, and whether a version could have one."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from audits.models import LogEntry
from registry.domain.rollback import LIVING
from registry.models import ModelVersion, RollbackGrant
from registry.selectors.promotions import Happening, predicate_of, tell_entries
from registry.services.decisions import alias_holder
from registry.services.rollbacks import why_never_back

EXPIRED = "expired"


def list_rollbacks(version: ModelVersion | None = None) -> QuerySet[RollbackGrant]:
    """Return rollback grants, of one target version or all, what moved last first."""
    rollbacks = RollbackGrant.objects.select_related(
        "version__registered_model", "from_version", "requester"
    ).defer("sealed_token")
    if version is not None:
        rollbacks = rollbacks.filter(version=version)
    return rollbacks.order_by("-updated_at", "pk")


def shown_status(rollback: RollbackGrant, now: datetime) -> str:
    """Return where a rollback grant stands, `expired` where nothing comes of it any more."""
    is_over = rollback.status in LIVING and now >= rollback.expires_at
    return EXPIRED if is_over else str(rollback.status)


def rollback_happenings(rollback: RollbackGrant) -> list[Happening]:
    """Return what the log says of a rollback grant, oldest first."""
    entries = (
        LogEntry.objects.filter(
            subject_name=rollback.version.uri,
            event__startswith="rollback.",
            at__gte=rollback.requested_at,
        )
        .select_related("leaf")
        .order_by("id")
    )
    told = [(entry, predicate_of(entry)) for entry in entries]
    own = [
        (entry, body)
        for entry, body in told
        if (body.get("detail") or {}).get("rollback_id") == str(rollback.pk)
    ]
    return tell_entries(own, {})


def could_go_back_from(version: ModelVersion, alias: str) -> ModelVersion | None:
    """Return the version that a rollback grant would put the alias back from; None for none."""
    holder = alias_holder(version.registered_model, alias)
    if holder is None or holder == version or why_never_back(version, alias):
        return None
    return holder
