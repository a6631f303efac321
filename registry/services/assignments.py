"""Asking certain people to review a promotion."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Role, User
from audits.domain.actor import Actor
from registry.domain.promotion import PromotionStatus
from registry.errors import InvalidRequest, PromotionClosed, ReviewNotAllowed
from registry.models import Promotion, ReviewAssignment
from registry.services.evaluation import evaluate_version
from registry.services.locking import lock_promotion
from registry.services.review_notices import tell_reviewers
from registry.services.stating import state_promotion

ASSIGNED = "promotion.reviewers_assigned"


@transaction.atomic(durable=True)
def assign_reviewers(
    *, promotion_id: UUID, people: Collection[str], actor: Actor, now: datetime
) -> Promotion:
    """Ask people to review an open promotion; they are told. Others may review it all the same.

    Args:
        people: their pseudonymous ids; whoever was asked before stays asked.

    Raises:
        ReviewNotAllowed: the actor is neither the requester nor an admin.
        PromotionClosed: nobody reviews it any more.
        InvalidRequest: nobody is named, or somebody who may not review it.
    """
    promotion = lock_promotion(promotion_id)
    if actor.id != str(promotion.requester_id) and Role.ADMIN not in actor.roles:
        raise ReviewNotAllowed("Its requester or an admin asks people to review a promotion.")
    if promotion.status not in (PromotionStatus.EVALUATING, PromotionStatus.IN_REVIEW):
        words = promotion.status.replace("_", " ")
        raise PromotionClosed(f"This promotion is {words}, so nobody reviews it now.")
    decision = evaluate_version(
        version=promotion.version, alias=promotion.alias, as_of=now
    ).decision
    roles = decision.approvals.roles if decision is not None else ()
    able = User.objects.filter(is_active=True, roles__overlap=list(roles)).exclude(
        pk__in=[promotion.requester_id, promotion.trainer_id or promotion.pk]
    )
    asked = [person for person in able if str(person.pk) in set(people)]
    if not asked or len(asked) != len(set(people)):
        raise InvalidRequest("Choose people who may review this promotion.")
    known = set(promotion.assignments.values_list("person_id", flat=True))
    new = [person for person in asked if person.pk not in known]
    if not new:
        return promotion
    ReviewAssignment.objects.bulk_create(
        ReviewAssignment(
            promotion=promotion,
            person=person,
            assigned_by=User.objects.get(pk=actor.id),
            assigned_at=now,
        )
        for person in new
    )
    state_promotion(
        promotion=promotion,
        event=ASSIGNED,
        predicate={"reviewers": sorted(str(person.pk) for person in new)},
        actor=actor,
        now=now,
    )
    if promotion.status == PromotionStatus.IN_REVIEW:
        tell_reviewers(promotion, sorted(person.pk for person in new), now)
    return promotion
