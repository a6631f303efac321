"""Alias changes: what the mirror sees and what the executor did become the same facts, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.db.models.functions import Lower

from audits.domain.actor import Actor
from audits.domain.log import Event
from muniment.governed import GovernedNames
from registry.domain.violations import ViolationStatus
from registry.errors import NotGoverned
from registry.models import (
    AliasChange,
    Grant,
    ModelAlias,
    ModelVersion,
    Promotion,
    RegisteredModel,
    Violation,
)
from registry.services.facts import state_registry_event
from registry.services.modes import watch_of
from registry.services.prompts import is_prompt_model
from registry.services.rollback_uses import rollback_of_move
from registry.services.violations import (
    find_violation,
    names_answered_for,
    open_of,
    record_violation,
    refresh_alarm,
    settle_restored,
)

# A grant that the store may have used: it was sent, or it was reserved and settled.
_EXPLAINING = (Grant.Status.WRITTEN, Grant.Status.RESERVED, Grant.Status.CONFIRMED)


def governed_aliases() -> tuple[str, ...]:
    """Return the governed aliases in lower case."""
    return tuple(name.lower() for name in settings.GOVERNED_ALIASES)


def require_governed_alias(alias: str) -> str:
    """Return a governed alias in lower case, without white space around it.

    Raises:
        NotGoverned: it is none.
    """
    wanted = alias.strip().lower()
    if wanted not in governed_aliases():
        raise NotGoverned(
            f"The alias {wanted or '(none)'} is not governed. Governed are: "
            f"{', '.join(governed_aliases())}."
        )
    return wanted


def is_governed_alias(alias: str) -> bool:
    """Say whether an alias is governed, whatever its letter case."""
    return GovernedNames(aliases=tuple(settings.GOVERNED_ALIASES)).covers_alias(alias)


def is_named_by_governed_alias(*, since_before: datetime | None = None) -> Exists:
    """Return the condition on a model version that a governed alias names it now.

    Args:
        since_before: and has done so since before then.
    """
    naming = ModelAlias.objects.annotate(lower=Lower("alias")).filter(
        version=OuterRef("pk"), lower__in=governed_aliases()
    )
    return Exists(naming.filter(since__lt=since_before) if since_before else naming)


def record_alias(
    *,
    registered_model: RegisteredModel,
    alias: str,
    version: ModelVersion | None,
    actor: Actor,
    now: datetime,
) -> AliasChange | None:
    """Bring the mirror to what MLflow says of one alias, with a fact; None where it was there.

    Call it with the model's row locked. A change of a governed alias that no grant explains is a
    violation, unless the model is only observed, or the move brings back what a violation took
    away.

    Args:
        version: where the alias points now; None when it was removed.
    """
    held = (
        ModelAlias.objects.select_related("version")
        .filter(registered_model=registered_model, alias=alias)
        .first()
    )
    before = held.version if held else None
    if before == version:
        return None
    event = _event(before, version)
    promotion = _explaining_promotion(version, alias) if version else None
    rollback = (
        rollback_of_move(alias=alias, before=before, after=version, now=now)
        if before is not None and version is not None and promotion is None
        else None
    )
    is_explained = promotion is not None or rollback is not None
    is_unexplained = (
        not is_explained and is_governed_alias(alias) and not is_prompt_model(registered_model)
    )
    restored = _restored_violation(registered_model, alias, version) if is_unexplained else None
    is_violation = (
        is_unexplained
        and restored is None
        and any(
            map(
                watch_of(registered_model.source_id).makes_violations,
                names_answered_for(registered_model),
            )
        )
    )
    found = (
        find_violation(
            event=event,
            registered_model=registered_model,
            version=version or before,
            alias=alias,
            before=_named(before),
            after=_named(version),
        )
        if is_violation
        else None
    )
    detail: dict[str, Any] = {"alias": alias, **(found.detail if found else {})}
    superseded = open_of(registered_model, alias=alias)
    if is_explained and superseded.exists():
        detail["supersedes"] = sorted(superseded.values_list("entry__sha256", flat=True))
    if promotion:
        detail["promotion_id"] = str(promotion.pk)
    elif rollback:
        detail["rollback_id"] = str(rollback.pk)
    if restored:
        detail["restores"] = restored.entry.sha256
    elif is_unexplained and not is_violation:
        detail["unexplained"] = True
    entry = state_registry_event(
        event=event,
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
    if found is not None:
        record_violation(found=found, entry=entry, now=now)
    settle_restored(registered_model=registered_model, now=now)
    if is_explained:
        superseded.update(status=ViolationStatus.SUPERSEDED, settled_at=now)
        refresh_alarm(now=now)
    return AliasChange.objects.create(
        registered_model=registered_model,
        alias=alias,
        before=before,
        after=version,
        promotion=promotion,
        rollback=rollback,
        is_violation=is_violation,
        at=now,
        entry=entry,
    )


def _restored_violation(
    registered_model: RegisteredModel, alias: str, version: ModelVersion | None
) -> Violation | None:
    """Return the open violation that this move brings back to where it began, if there is one."""
    found = open_of(registered_model, alias=alias).select_related("entry").first()
    return found if found is not None and found.before == _named(version) else None


def _explaining_promotion(version: ModelVersion, alias: str) -> Promotion | None:
    return (
        Promotion.objects.filter(
            version=version,
            alias=alias,  # as it was granted: another spelling is another alias in MLflow
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
