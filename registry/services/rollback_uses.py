"""Rollback grants that were used while nobody asked us: found by a walk, logged, and alarmed of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from audits.domain.actor import MIRROR
from audits.services.alarms import REGISTRY_ROLLBACKS, clear_alarm, raise_alarm
from audits.services.log import lock_stream
from muniment.attest.statement import format_time
from muniment.grant import ROLLBACK_TAG_PREFIX, RollbackUse, rollback_tag
from registry.domain.mirror import Change, ChangeKind
from registry.domain.rollback import (
    RollbackEvent,
    RollbackStatus,
    RollbackTerms,
    SeenAlias,
    next_rollback_status,
    why_not_explained,
)
from registry.domain.violations import ViolationStatus
from registry.models import AliasChange, ModelAlias, ModelVersion, RegisteredModel, RollbackGrant
from registry.services.rollback_facts import state_rollback
from registry.services.violations import open_of

# The alarm names so many; the page lists them all.
_NAMED = 3


def unexplained_part(
    *,
    change: Change,
    registered_model: RegisteredModel,
    moves_to: Mapping[str, int | None],
    walked_at: datetime | None,
    now: datetime,
) -> Change:
    """Return a change of a model's row without the tags that uses of rollback grants explain.

    What is explained is settled, as `settle_rollbacks` says, which the other arguments are of.
    """
    old, new = ((row or {}).get("tags") or {} for row in (change.before, change.after))
    tags = {
        tag: new.get(tag)
        for tag in {**old, **new}
        if tag.startswith(ROLLBACK_TAG_PREFIX) and old.get(tag) != new.get(tag)
    }
    if change.kind is not ChangeKind.MODEL_CHANGED or not tags:
        return change
    explained = settle_rollbacks(
        registered_model=registered_model,
        tags=tags,
        moves_to=moves_to,
        walked_at=walked_at,
        now=now,
    )
    before, after = dict(change.before or {}), dict(change.after or {})
    for row, held in ((before, old), (after, new)):
        row["tags"] = {tag: value for tag, value in held.items() if tag not in explained}
    return replace(change, before=before, after=after)


def settle_rollbacks(
    *,
    registered_model: RegisteredModel,
    tags: Mapping[str, str | None],
    moves_to: Mapping[str, int | None],
    walked_at: datetime | None,
    now: datetime,
) -> frozenset[str]:
    """Take note of the rollback grants that a registered model's new tags say were used.

    Each that is explained moves to `used` with its fact, alarms until somebody has reviewed it,
    and explains its alias move in this very walk (`rollback_of_move`); one that an earlier walk
    took for a violation, it supersedes. Returned are the tags that are explained: every other
    governed tag stays the violation that it is.

    Args:
        tags: those that this walk finds new or with another value; None for one that is gone.
        moves_to: by alias, where this walk sees those that moved; None for one that is gone.
        walked_at: when the walk before this one began.
    """
    # Before the grants' own rows, as everything about a model is locked.
    lock_stream(registered_model.uri)
    explained = set()
    for tag, value in tags.items():
        rollback = _rollback_of(registered_model, tag) if value is not None else None
        use = RollbackUse.parse(value or "")
        if rollback is None or use is None:
            continue
        terms = RollbackTerms(
            status=RollbackStatus(rollback.status),
            from_version=rollback.from_version.version,
            to_version=rollback.version.version,
            expires_at=rollback.expires_at,
        )
        seen = _seen(registered_model, rollback.alias, moves_to)
        if not why_not_explained(terms, use, seen, walked_at=walked_at):
            _note_use(rollback, use, now=now)
            explained.add(tag)
    return frozenset(explained)


def rollback_of_move(
    *, alias: str, before: ModelVersion, after: ModelVersion, now: datetime
) -> RollbackGrant | None:
    """Return the rollback grant, found used at `now`, that explains a move of an alias."""
    return RollbackGrant.objects.filter(
        status=RollbackStatus.USED,
        version=after,
        from_version=before,
        alias=alias,
        found_at=now,
    ).first()


def refresh_rollback_alarm(*, now: datetime) -> None:
    """Raise, change or clear the alarm that everybody sees, by which uses nobody has reviewed."""
    found = list(
        RollbackGrant.objects.filter(status=RollbackStatus.USED)
        .select_related("version__registered_model", "from_version")
        .order_by("-found_at")[: _NAMED + 1]
    )
    if not found:
        clear_alarm(REGISTRY_ROLLBACKS, now=now)
        return
    named = "; ".join(
        f"{one.alias} of {one.version.registered_model.name} from version "
        f"{one.from_version.version} to {one.version.version}"
        for one in found[:_NAMED]
    )
    more = "; and more" if len(found) > _NAMED else ""
    raise_alarm(
        REGISTRY_ROLLBACKS,
        f"A rollback grant was used while Muniment was not asked: {named}{more}. A reviewer looks "
        "at what happened and accepts or rejects it on the page of rollback grants.",
        now=now,
    )


def _rollback_of(registered_model: RegisteredModel, tag: str) -> RollbackGrant | None:
    """Return the grant that a tag is named after, if it is one of this model's, locked."""
    try:
        grant_id = UUID(tag.removeprefix(ROLLBACK_TAG_PREFIX))
    except ValueError:
        return None
    if rollback_tag(grant_id) != tag:
        return None  # not as the store writes it
    return (
        RollbackGrant.objects.select_for_update(of=("self",))
        .select_related("version__registered_model", "from_version")
        .filter(pk=grant_id, version__registered_model=registered_model)
        .first()
    )


def _seen(
    registered_model: RegisteredModel, alias: str, moves_to: Mapping[str, int | None]
) -> SeenAlias:
    held = (
        ModelAlias.objects.filter(registered_model=registered_model, alias=alias)
        .values_list("version__version", flat=True)
        .first()
    )
    came_from = (
        AliasChange.objects.filter(registered_model=registered_model, alias=alias)
        .order_by("-pk")
        .values_list("before__version", flat=True)
        .first()
    )
    return SeenAlias(held=held, moves_to=moves_to.get(alias, held), came_from=came_from)


def _note_use(rollback: RollbackGrant, use: RollbackUse, *, now: datetime) -> None:
    known = rollback.version.registered_model
    rollback.status = next_rollback_status(RollbackStatus(rollback.status), RollbackEvent.USED)
    rollback.used_at, rollback.found_at, rollback.updated_at = use.at, now, now
    rollback.save(update_fields=["status", "used_at", "found_at", "updated_at"])
    move = {"version": rollback.from_version.version}, {"version": rollback.version.version}
    taken_for_violations = [
        violation
        for violation in open_of(known, alias=rollback.alias).select_related("entry")
        if (violation.before, violation.after) == move
    ]
    detail: dict[str, object] = {"used_at": format_time(use.at)}
    if taken_for_violations:
        detail["supersedes"] = sorted(one.entry.sha256 for one in taken_for_violations)
    state_rollback(
        rollback=rollback,
        event=RollbackEvent.USED,
        detail=detail,
        is_move=True,
        actor=MIRROR,
        now=now,
    )
    for violation in taken_for_violations:
        violation.status, violation.settled_at = ViolationStatus.SUPERSEDED, now
        violation.save(update_fields=["status", "settled_at"])
    refresh_rollback_alarm(now=now)
