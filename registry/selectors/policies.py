"""Published policies, and the models that they bind."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from registry.models import Policy, PolicyBinding


def published_policies() -> QuerySet[Policy]:
    """Return every published policy version, newest first, with how many living models it binds."""
    return (
        Policy.objects.select_related("entry__leaf", "retirement")
        .defer("entry__envelope")
        .annotate(
            bound=Count(
                "policybinding",
                filter=Q(policybinding__registered_model__gone_at__isnull=True),
            )
        )
        .order_by("name", "-version")
    )


def bindings_of(policy: Policy) -> list[PolicyBinding]:
    """Return the living models that a policy version binds."""
    return list(
        PolicyBinding.objects.filter(policy=policy, registered_model__gone_at__isnull=True)
        .select_related("registered_model", "bound_by")
        .order_by("registered_model__name")[:200]
    )
