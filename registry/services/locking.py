"""Locking a promotion in the one order that everything about its model is locked in."""

from __future__ import annotations

from uuid import UUID

from audits.services.log import lock_stream
from registry.models import Promotion


def lock_promotion(promotion_id: UUID) -> Promotion:
    """Lock a promotion, its model's stream first; return it as it is then."""
    promotions = Promotion.objects.select_related("version__registered_model")
    lock_stream(promotions.get(pk=promotion_id).version.registered_model.uri)
    return promotions.select_for_update(of=("self",)).get(pk=promotion_id)
