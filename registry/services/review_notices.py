"""Whom a promotion concerns, and what they are told of it, in the product and by e-mail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.models import NoticeKind, User
from accounts.services.notices import post_notice, settle_notices
from registry.domain.promotion import PromotionEvent, PromotionStatus
from registry.models import Promotion


def tell_of_decision(
    promotion: Promotion, event: PromotionEvent | None, content: Mapping[str, Any], now: datetime
) -> None:
    """Tell reviewers that it waits for them, and its requester that it was closed."""
    if promotion.status != PromotionStatus.IN_REVIEW:
        settle_notices(about=_waiting(promotion), now=now)
    if event is PromotionEvent.REVIEW_OPENED:
        tell_reviewers(promotion, reviewers_of(promotion, content), now)
    elif event in (PromotionEvent.DENIED, PromotionEvent.REFUSED):
        words = "refused by a reviewer" if event is PromotionEvent.REFUSED else "denied"
        _tell(
            promotion,
            f"A promotion that you requested was {words}.",
            f"requester:{event.value}",
            [promotion.requester_id],
            now,
        )


def tell_reviewers(promotion: Promotion, people: Iterable[UUID], now: datetime) -> None:
    """Tell people that a promotion in review waits for them; once for each time it was opened."""
    asked = list(people)
    if asked:
        opened = promotion.decisions.count()
        post_notice(
            kind=NoticeKind.REVIEW,
            subject="A promotion waits for your review.",
            text=_named(promotion),
            path=f"/promotions/{promotion.pk}/#decide",
            people=asked,
            dedup_key=f"{_waiting(promotion)}{opened}:{_short(asked)}",
            now=now,
        )


def tell_signer(promotion: Promotion, person: UUID, approval: UUID, now: datetime) -> None:
    """Tell somebody that what they signed counts no more, because it is about other evidence."""
    _tell(
        promotion,
        "A review that you signed counts no more: the evidence has changed.",
        f"dismissed:{approval}",
        [person],
        now,
    )


def tell_of_changes(promotion: Promotion, approval: UUID, now: datetime) -> None:
    """Tell the requester that a reviewer asked for changes."""
    _tell(
        promotion,
        "A reviewer asks for changes before a promotion that you requested.",
        f"changes:{approval}",
        [promotion.requester_id],
        now,
    )


def reviewers_of(promotion: Promotion, content: Mapping[str, Any]) -> list[UUID]:
    """Return those who were asked to review it; where nobody was, everybody who may."""
    asked = list(promotion.assignments.values_list("person_id", flat=True))
    if asked:
        return asked
    approvals = content.get("approvals") or {}
    signed = [*approvals.get("approved_by", []), *approvals.get("changes_requested_by", [])]
    return list(
        User.objects.filter(is_active=True, roles__overlap=approvals.get("roles", []))
        .exclude(pk__in=[*signed, promotion.requester_id, promotion.trainer_id or promotion.pk])
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def _tell(promotion: Promotion, subject: str, what: str, people: list[UUID], now: datetime) -> None:
    post_notice(
        kind=NoticeKind.REVIEW,
        subject=subject,
        text=_named(promotion),
        path=f"/promotions/{promotion.pk}/",
        people=people,
        dedup_key=f"promotion:{promotion.pk}:{what}",
        now=now,
    )


def _waiting(promotion: Promotion) -> str:
    return f"promotion:{promotion.pk}:waits:"


def _named(promotion: Promotion) -> str:
    version = promotion.version
    return (
        f"{version.registered_model.name} version {version.version} to {promotion.alias}, "
        f"requested by {promotion.requester.printed_name}."
    )


def _short(people: list[UUID]) -> str:
    return hashlib.sha256(b"".join(sorted(person.bytes for person in people))).hexdigest()[:16]
