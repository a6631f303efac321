"""What happens to a promotion, stated in its model's stream."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audits.domain.actor import Actor
from audits.models import LogEntry
from audits.services.log import append_statement, predicate_type
from lineage.models import LineageRecord
from muniment.attest.digest import Digest
from registry.domain.mirror import mapping_hash
from registry.domain.promotion import (
    IllegalTransition,
    PromotionEvent,
    PromotionStatus,
    next_status,
)
from registry.errors import (
    PromotionClosed,
)
from registry.models import (
    ModelVersion,
    Promotion,
)


def move_promotion(
    *,
    promotion: Promotion,
    event: PromotionEvent,
    actor: Actor,
    now: datetime,
    predicate: dict[str, Any] | None = None,
) -> Promotion:
    """Move a locked promotion by one event of the transition table, with its fact.

    Raises:
        PromotionClosed: the table has no such move from where it stands.
    """
    status = PromotionStatus(promotion.status)
    if not status.is_open:
        raise PromotionClosed(f"This promotion has ended: it is {status.value}.")
    try:
        promotion.status = next_status(status, event)
    except IllegalTransition as error:
        words = status.value.replace("_", " ")
        raise PromotionClosed(f"This promotion is {words}, so this comes too late.") from error
    promotion.updated_at = now
    promotion.save(update_fields=["status", "updated_at", "failure"])
    state_promotion(
        promotion=promotion, event=event.value, predicate=predicate or {}, actor=actor, now=now
    )
    return promotion


def state_promotion(
    *,
    promotion: Promotion,
    event: str,
    predicate: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> LogEntry:
    """Append a fact about a promotion to its model's stream."""
    version = promotion.version
    return append_statement(
        event=event,
        predicate_type=predicate_type("promotion"),
        subject_name=version.uri,
        subject_digest=subject_digest_of(version),
        predicate={
            "promotion_id": str(promotion.pk),
            "alias": promotion.alias,
            "version_uri": version.uri,
            "status": promotion.status,
            **predicate,
        },
        stream=version.registered_model.uri,
        actor=actor,
        now=now,
    )


def subject_digest_of(version: ModelVersion) -> Digest:
    """Return the digest of a version's recorded artifacts, else that of its registry row."""
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        return Digest("sha256", mapping_hash(version.row))
    return Digest.parse(record.subject_digest)
