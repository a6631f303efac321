"""The registry sources, and how each is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from registry.models import ModelVersion, ModeRule, RegistrySource
from registry.services.backlog import backlog_of


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One registry source: how fresh its mirror is, what it holds, what guards it."""

    name: str
    uri: str
    walked_at: datetime | None
    failure: str
    models: int
    versions: int
    versions_waiting: int
    on_violation: str
    gatekeeper_seen_at: datetime | None
    modes: list[dict[str, str]]


def source_rows() -> list[SourceRow]:
    """Return every source by name; what is gone from MLflow is not counted."""
    modes: dict[str, list[dict[str, str]]] = defaultdict(list)
    for rule in ModeRule.objects.order_by("pattern"):
        modes[rule.source_id].append({"pattern": rule.pattern, "mode": rule.mode})
    living = Q(registeredmodel__gone_at__isnull=True)
    sources = RegistrySource.objects.annotate(models=Count("registeredmodel", filter=living))
    return [
        SourceRow(
            name=source.name,
            uri=source.uri,
            walked_at=source.walked_at,
            failure=source.failure,
            models=source.models,
            versions=ModelVersion.objects.filter(
                registered_model__source=source, gone_at__isnull=True
            ).count(),
            versions_waiting=backlog_of(source).count(),
            on_violation=source.on_violation,
            gatekeeper_seen_at=source.gatekeeper_seen_at,
            modes=modes[source.name],
        )
        for source in sources.order_by("name")
    ]
