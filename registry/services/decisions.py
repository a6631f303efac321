"""Deciding promotions: again whenever something that counts has changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from audits.domain.actor import GATE, Actor
from registry.domain.emergency import Emergency, forward_event
from registry.domain.promotion import (
    DECIDABLE_STATUSES,
    PromotionEvent,
    PromotionStatus,
    event_for_decision,
    next_status,
)
from registry.models import (
    Decision,
    Grant,
    ModelAlias,
    ModelVersion,
    Promotion,
    RegisteredModel,
)
from registry.services.dismissals import dismiss_outdated
from registry.services.evaluation import evaluate_version
from registry.services.locking import lock_promotion
from registry.services.review_notices import tell_of_decision
from registry.services.stating import state_promotion
from registry.services.work import send_promotion

DECIDED_EVENT = "promotion.decided"
NO_POLICY = (
    "No policy is bound to this model, so nothing can be promoted. An admin binds one on the "
    "model's page."
)
GONE = "This version no longer exists in MLflow."


@transaction.atomic
def decide_promotion(*, promotion_id: UUID, actor: Actor, now: datetime) -> Promotion:
    """Evaluate the policy again and move the promotion where the decision says.

    Writes nothing where neither the decision nor what it rests on has changed. Approvals of
    evidence that is no longer current are dismissed. An allowed promotion gets its single-use
    grant in this very transaction.
    """
    promotion = lock_promotion(promotion_id)
    status = PromotionStatus(promotion.status)
    # No policy decides a rollback: it was signed knowing what the policy says.
    if status not in DECIDABLE_STATUSES or promotion.emergency == Emergency.ROLLBACK:
        return promotion
    evaluation = evaluate_version(version=promotion.version, alias=promotion.alias, as_of=now)
    # A version that MLflow no longer has is not judged at all.
    decision = evaluation.decision if promotion.version.gone_at is None else None
    if decision is None:
        event: PromotionEvent | None = PromotionEvent.DENIED
        content = denial(NO_POLICY if promotion.version.gone_at is None else GONE)
    else:
        decide = forward_event if promotion.emergency else event_for_decision
        event = decide(status, decision)
        content = decision.to_mapping()
    if event is None and not _has_changed(promotion, content):
        return promotion
    if event is not None:
        promotion.status = next_status(status, event)
    promotion.updated_at = now
    promotion.replaces = alias_holder(promotion.version.registered_model, promotion.alias)
    promotion.save(update_fields=["status", "updated_at", "replaces"])
    entry = state_promotion(
        promotion=promotion,
        event=event.value if event else DECIDED_EVENT,
        predicate={
            "decision": content,
            "policy": content["policy"],
            "evidence_digest": content["evidence_digest"] or None,
        },
        actor=actor,
        now=now,
    )
    Decision.objects.create(
        promotion=promotion,
        policy=evaluation.binding.policy if evaluation.binding and decision is not None else None,
        verdict=content["verdict"],
        evidence_digest=content["evidence_digest"],
        content=content,
        decided_at=now,
        entry=entry,
    )
    if decision is not None:
        dismiss_outdated(promotion, decision.evidence_digest, actor=actor, now=now)
    if promotion.status == PromotionStatus.APPROVED:
        Grant.objects.get_or_create(
            promotion=promotion,
            status__in=[s for s in Grant.Status if s != Grant.Status.VOID],
            defaults={"status": Grant.Status.WRITTEN, "written_at": now},
        )
        send_promotion(promotion)
    tell_of_decision(promotion, event, content, now)
    return promotion


def decide_open_promotions(*, registered_model: RegisteredModel, now: datetime) -> None:
    """Decide again every promotion of a model that something new may change.

    New evidence on one version, or a move of the alias, changes what the others are compared with.
    """
    for promotion in Promotion.objects.filter(
        version__registered_model=registered_model, status__in=sorted(DECIDABLE_STATUSES)
    ).order_by("pk"):
        decide_promotion(promotion_id=promotion.pk, actor=GATE, now=now)


def alias_holder(registered_model: RegisteredModel, alias: str) -> ModelVersion | None:
    """Return the version that the alias names now, which a promotion would replace."""
    held = (
        ModelAlias.objects.select_related("version")
        .filter(registered_model=registered_model, alias__iexact=alias)
        .first()
    )
    return held.version if held else None


def denial(reason: str) -> dict[str, Any]:
    """Return what stands in place of a decision where there is nothing to evaluate."""
    return {
        "verdict": "deny",
        "reasons": [reason],
        "policy": None,
        "evidence_digest": "",
        "gates": [],
        "approvals": None,
    }


def _has_changed(promotion: Promotion, content: dict[str, Any]) -> bool:
    last = promotion.decisions.order_by("-entry_id").first()
    if last is None:
        return True
    same = ("verdict", "evidence_digest", "gates", "approvals")
    return any(last.content.get(key) != content[key] for key in same)
