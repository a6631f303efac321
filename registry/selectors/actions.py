"""What waits for one person: reviews to sign, models to bind."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from accounts.models import Role, User
from registry.domain.promotion import PromotionStatus
from registry.models import Approval, Decision, Promotion, RegisteredModel


def promotions_awaiting(person: User) -> QuerySet[Promotion]:
    """Return the promotions that this person could review now, oldest first.

    In review, not their own request or training, asked of one of their roles by the policy, and
    not signed by them on the evidence that counts. The service decides again when they sign.
    """
    newest = Decision.objects.filter(promotion=OuterRef("pk")).order_by("-entry_id")
    asked = Q()
    for role in person.roles:
        asked |= Q(asked_roles__contains=[role])
    if not asked:
        return Promotion.objects.none()
    signed = Approval.objects.filter(
        promotion=OuterRef("pk"),
        person=person,
        evidence_digest=OuterRef("shown_digest"),
        dismissal__isnull=True,
    )
    return (
        Promotion.objects.filter(status=PromotionStatus.IN_REVIEW)
        .exclude(requester=person)
        .exclude(Q(trainer__isnull=False) & Q(trainer=person))
        .annotate(
            asked_roles=Subquery(newest.values("content__approvals__roles")[:1]),
            shown_digest=Subquery(newest.values("evidence_digest")[:1]),
        )
        .filter(asked)
        .filter(~Exists(signed))
        .select_related("version__registered_model", "requester", "replaces")
        .order_by("requested_at")
    )


def models_without_policy(person: User) -> Sequence[RegisteredModel]:
    """Return living models that only an admin can bring under a policy; nobody else is asked."""
    if Role.ADMIN not in person.roles:
        return []
    return list(
        RegisteredModel.objects.filter(gone_at__isnull=True, binding__isnull=True).order_by("name")[
            :20
        ]
    )
