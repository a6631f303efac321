"""Whether what holds an alias came to it in an emergency."""

from __future__ import annotations

from registry.domain.emergency import Emergency
from registry.domain.promotion import PromotionStatus
from registry.models import ModelVersion, Promotion


def last_executed(version: ModelVersion, alias: str) -> Promotion | None:
    """Return the promotion by which a version came to an alias; a rollback only puts it back."""
    executed = Promotion.objects.filter(
        version=version, alias__iexact=alias, status=PromotionStatus.EXECUTED
    ).exclude(emergency=Emergency.ROLLBACK)
    return executed.order_by("-updated_at").first()


def is_held_by_emergency(version: ModelVersion, alias: str) -> bool:
    """Tell whether a version came to an alias by an emergency forward, and no review since."""
    promotion = last_executed(version, alias)
    return promotion is not None and promotion.emergency == Emergency.FORWARD
