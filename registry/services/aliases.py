"""Alias changes: what the mirror sees and what the executor did become the same facts, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from django.conf import settings

from audits.domain.actor import Actor
from audits.domain.log import Event
from registry.models import (
    AliasChange,
    Grant,
    ModelAlias,
    ModelVersion,
    Promotion,
    RegisteredModel,
)
from registry.services.facts import state_registry_event

# A grant that the store may have used: it was sent, or it was reserved and settled.
_EXPLAINING = (Grant.Status.WRITTEN, Grant.Status.RESERVED, Grant.Status.CONFIRMED)


def governed_aliases() -> tuple[str, ...]:
    """Return the governed aliases in lower case."""
    return tuple(name.lower() for name in settings.GOVERNED_ALIASES)


def is_governed_model(name: str) -> bool:
    """Say whether MLflow's registry store guards a model of this name, whatever its case."""
    return any(fnmatchcase(name.casefold(), glob.casefold()) for glob in settings.GOVERNED_MODELS)


def record_alias(
    *,
    registered_model: RegisteredModel,
    alias: str,
    version: ModelVersion | None,
    preexisting: bool = False,
    actor: Actor,
    now: datetime,
) -> AliasChange | None:
    """Bring the mirror to what MLflow says of one alias, with a fact; None where it was there.

    Call it with the model's row locked. A change of a governed alias that no grant explains is a
    violation, unless the mirror was not watching yet.

    Args:
        version: where the alias points now; None when it was removed.
        preexisting: the model appears in this very walk of a source that was never walked.
    """
    held = (
        ModelAlias.objects.select_related("version")
        .filter(registered_model=registered_model, alias=alias)
        .first()
    )
    before = held.version if held else None
    if before == version:
        return None
    promotion = _explaining_promotion(version, alias) if version else None
    is_governed = alias.lower() in governed_aliases() and is_governed_model(registered_model.name)
    is_violation = is_governed and promotion is None and not preexisting
    detail: dict[str, str | bool] = {"alias": alias}
    if promotion:
        detail["promotion_id"] = str(promotion.pk)
    if preexisting:
        detail["preexisting"] = True
    entry = state_registry_event(
        event=_event(before, version),
        registered_model=registered_model,
        version=version or before,
        before=_named(before),
        after=_named(version),
        detail=detail,
        is_violation=is_violation,
        actor=actor,
        now=now,
    )
    if version is None:
        ModelAlias.objects.filter(registered_model=registered_model, alias=alias).delete()
    else:
        ModelAlias.objects.update_or_create(
            registered_model=registered_model,
            alias=alias,
            defaults={"version": version, "since": now},
        )
    return AliasChange.objects.create(
        registered_model=registered_model,
        alias=alias,
        before=before,
        after=version,
        promotion=promotion,
        is_violation=is_violation,
        at=now,
        entry=entry,
    )


def _explaining_promotion(version: ModelVersion, alias: str) -> Promotion | None:
    return (
        Promotion.objects.filter(
            version=version,
            alias=alias.lower(),
            status="executing",
            grants__status__in=_EXPLAINING,
        )
        .order_by("-updated_at")
        .first()
    )


def _event(before: ModelVersion | None, after: ModelVersion | None) -> Event:
    if after is None:
        return Event.ALIAS_REMOVED
    return Event.ALIAS_MOVED if before else Event.ALIAS_SET


def _named(version: ModelVersion | None) -> Mapping[str, int] | None:
    return {"version": version.version} if version else None
