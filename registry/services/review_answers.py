"""Beside the signed verdict: comments, and taking one's own verdict back before it has effect."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Role
from audits.domain.actor import Actor
from audits.services.disclosures import commit_text
from registry.domain.promotion import DECIDABLE_STATUSES
from registry.domain.words import ReviewVerdict
from registry.errors import InvalidRequest, PromotionClosed, ReviewNotAllowed
from registry.models import Promotion
from registry.services.decisions import decide_promotion
from registry.services.dismissals import dismiss_approval
from registry.services.locking import lock_promotion
from registry.services.stating import state_promotion
from registry.services.text import require_plain_text

COMMENTED = "promotion.commented"
MAX_COMMENT = 4000
TAKEN_BACK = "Its signer took it back."


@transaction.atomic(durable=True)
def comment_on_promotion(
    *, promotion_id: UUID, text: str, actor: Actor, now: datetime
) -> Promotion:
    """Say something about a promotion, without a signature; it counts for nothing.

    Raises:
        RoleRequired: the actor has no role.
        InvalidRequest: no text, or one that is too long.
    """
    actor.require_role("comment on a promotion", *Role.values)
    text = text.strip()
    if not text:
        raise InvalidRequest("Write the comment first.")
    require_plain_text("comment", text, MAX_COMMENT)
    promotion = lock_promotion(promotion_id)
    state_promotion(
        promotion=promotion,
        event=COMMENTED,
        predicate={"reason_commitment": commit_text(person_id=UUID(actor.id), text=text)},
        actor=actor,
        now=now,
    )
    return promotion


@transaction.atomic(durable=True)
def take_review_back(*, promotion_id: UUID, actor: Actor, now: datetime) -> Promotion:
    """Take back one's own approval, or request for changes, before the alias is moved.

    It is dismissed for good: the same verdict on the same evidence is not signed again.

    Raises:
        ReviewNotAllowed: no such verdict of this person stands; a refusal closed the promotion.
        PromotionClosed: the promotion has ended, or is being executed.
    """
    promotion = lock_promotion(promotion_id)
    if promotion.status not in DECIDABLE_STATUSES:
        words = promotion.status.replace("_", " ")
        raise PromotionClosed(f"This promotion is {words}, so this comes too late.")
    standing = list(
        promotion.approvals.filter(person=UUID(actor.id), dismissal__isnull=True)
        .exclude(verdict=ReviewVerdict.REFUSE.value)
        .select_related("entry")
    )
    if not standing:
        raise ReviewNotAllowed("You have signed nothing here that still stands.")
    for approval in standing:
        dismiss_approval(approval=approval, reason=TAKEN_BACK, actor=actor, now=now)
    return decide_promotion(promotion_id=promotion.pk, actor=actor, now=now)
