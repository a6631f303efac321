"""Violations: changes in MLflow that nothing allowed, from finding to undone or answered for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from audits.domain.actor import MIRROR, Actor
from audits.domain.log import Event
from audits.models import Alarm, LogEntry
from audits.services.alarms import REGISTRY_VIOLATIONS, clear_alarm, raise_alarm
from audits.services.disclosures import commit_text
from audits.services.log import lock_stream
from registry.domain.violations import (
    ARTIFACTS_CHANGED,
    ViolationStatus,
    can_be_undone,
    governed_part,
    holds_again,
    merged_before,
)
from registry.errors import InvalidRequest
from registry.models import (
    ModelAlias,
    ModelVersion,
    RegisteredModel,
    Violation,
    WithdrawnVersion,
)
from registry.services.facts import state_registry_event
from registry.services.text import require_plain_text

MAX_REASON = 2000
# The alarm names so many; the page of violations lists them all.
_NAMED = 3


def open_violations() -> QuerySet[Violation]:
    """Return the violations that alarm, newest first."""
    return (
        Violation.objects.filter(status=ViolationStatus.OPEN)
        .select_related("registered_model__source", "version", "entry")
        .defer("entry__envelope")
        .order_by("-found_at")
    )


def standing_against(version: ModelVersion) -> QuerySet[Violation]:
    """Return the violations for which no gate of a version may be passed.

    Those that nothing can undo: the version or its model deleted, its source or its files
    changed. That somebody answers for one makes the alarm stop, not the files right.
    """
    return Violation.objects.filter(
        Q(version=version) | Q(version=None),
        registered_model=version.registered_model_id,
        can_be_undone=False,
        status__in=[ViolationStatus.OPEN, ViolationStatus.ACCEPTED],
    ).select_related("entry")


def withdrawn_against(version: ModelVersion) -> QuerySet[WithdrawnVersion]:
    """Return the withdrawn datasets that a version was made from: no gate is passed either."""
    return (
        WithdrawnVersion.objects.filter(version=version)
        .select_related("entry", "withdrawal")
        .defer("entry__envelope")
        .order_by("found_at", "pk")
    )


def open_of(
    registered_model: RegisteredModel, *, alias: str = "", version: ModelVersion | None = None
) -> QuerySet[Violation]:
    """Return the open violations of one alias, of one version, or of the model itself."""
    rows = Violation.objects.filter(
        registered_model=registered_model, status=ViolationStatus.OPEN, alias=alias
    )
    return rows if alias else rows.filter(version=version)


@dataclass(frozen=True, slots=True)
class FoundViolation:
    """A violation about to be stated and recorded.

    Attributes:
        before: what to restore; where it takes the place of an open one, what that one has to.
        supersedes: the open ones of the same thing.
    """

    event: str
    registered_model: RegisteredModel
    version: ModelVersion | None
    alias: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    supersedes: tuple[Violation, ...]

    @property
    def can_be_undone(self) -> bool:
        return can_be_undone(self.event, self.before)

    @property
    def detail(self) -> dict[str, Any]:
        """Return what its statement says, so that a verifier knows which ones stand."""
        said: dict[str, Any] = {}
        if not self.can_be_undone:
            said["standing"] = True
        if self.supersedes:
            said["supersedes"] = sorted(earlier.entry.sha256 for earlier in self.supersedes)
        return said


def names_answered_for(registered_model: RegisteredModel) -> set[str]:
    """Return the names under which a model is watched: its own, and those it was taken from.

    A rename that nothing allowed does not free a model of the rules for the name that it had.
    """
    renamed = open_of(registered_model).filter(event="model.renamed")
    befores = (before or {} for before in renamed.values_list("before", flat=True))
    return {registered_model.name, *(str(before["name"]) for before in befores if "name" in before)}


def find_violation(
    *,
    event: str,
    registered_model: RegisteredModel,
    version: ModelVersion | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    alias: str = "",
) -> FoundViolation:
    """Relate a change that nothing allows to the open violations of the same thing.

    They are superseded by it, and what they have to be restored to is kept: two wrong moves in a
    row are undone to where the first began.
    """
    of_one = None if alias else version
    same = open_of(registered_model, alias=alias, version=of_one).filter(event__in=_family(event))
    earlier = tuple(same.select_related("entry").order_by("found_at"))
    return FoundViolation(
        event=event,
        registered_model=registered_model,
        version=version,
        alias=alias,
        before=_restorable(event, earlier[0], before) if earlier else before,
        after=after,
        supersedes=earlier,
    )


def record_violation(*, found: FoundViolation, entry: LogEntry, now: datetime) -> Violation:
    """Open a violation for the fact that `entry` states; its transaction is the fact's."""
    Violation.objects.filter(pk__in=[earlier.pk for earlier in found.supersedes]).update(
        status=ViolationStatus.SUPERSEDED, settled_at=now
    )
    return Violation.objects.create(
        registered_model=found.registered_model,
        version=found.version,
        event=found.event,
        alias=found.alias,
        before=found.before,
        after=found.after,
        status=ViolationStatus.OPEN,
        can_be_undone=found.can_be_undone,
        found_at=now,
        entry=entry,
    )


def settle_restored(*, registered_model: RegisteredModel, now: datetime) -> None:
    """Close the violations of a model whose change is undone in MLflow, each with a fact.

    Call it when the mirror has been brought to what MLflow says.
    """
    rows = Violation.objects.filter(
        registered_model=registered_model, status=ViolationStatus.OPEN
    ).select_related("version", "entry")
    for violation in rows:
        if violation.event != ARTIFACTS_CHANGED and _is_restored(violation, registered_model):
            close_undone(violation, now=now)


def close_undone(violation: Violation, *, now: datetime) -> None:
    """State that what a violation changed is again as it was."""
    state_registry_event(
        event=Event.VIOLATION_UNDONE,
        registered_model=violation.registered_model,
        version=violation.version,
        before=violation.after,
        after=violation.before,
        detail={
            "violation": violation.entry.sha256,
            "change": violation.event,
            # By the grant, not the attempts: MLflow may have acted, and its answer been lost.
            "by_muniment": violation.grants.exists(),
        },
        actor=MIRROR,
        now=now,
    )
    violation.status, violation.settled_at = ViolationStatus.UNDONE, now
    violation.save(update_fields=["status", "settled_at"])


@transaction.atomic(durable=True)
def accept_violation(*, violation_id: UUID, reason: str, actor: Actor, now: datetime) -> Violation:
    """Answer for a violation: it stops alarming, and is undone no more. The fact stays.

    Raises:
        RoleRequired: the actor is no admin.
        InvalidRequest: no reason, one that is too long, or a violation that is not open.
    """
    actor.require_role("accept a violation", "admin")
    reason = reason.strip()
    if not reason:
        raise InvalidRequest("Give the reason why this change is accepted.")
    require_plain_text("reason", reason, MAX_REASON)
    found = Violation.objects.select_related("registered_model").filter(pk=violation_id).first()
    if found is None:
        raise InvalidRequest("There is no such violation.")
    lock_stream(found.registered_model.uri)
    violation = (
        Violation.objects.select_for_update(of=("self",))
        .select_related("registered_model", "version", "entry")
        .get(pk=violation_id)
    )
    if violation.status != ViolationStatus.OPEN:
        raise InvalidRequest(f"This violation is not open: it is {violation.status}.")
    state_registry_event(
        event=Event.VIOLATION_ACCEPTED,
        registered_model=violation.registered_model,
        version=violation.version,
        before=None,
        after=None,
        detail={
            "violation": violation.entry.sha256,
            "change": violation.event,
            "reason_commitment": commit_text(person_id=UUID(actor.id), text=reason),
        },
        actor=actor,
        now=now,
    )
    violation.status, violation.settled_at = ViolationStatus.ACCEPTED, now
    violation.settled_by = User.objects.get(pk=actor.id)
    violation.save(update_fields=["status", "settled_at", "settled_by"])
    refresh_alarm(now=now)
    return violation


def refresh_alarm(*, now: datetime) -> None:
    """Raise, change or clear the alarm that everybody sees, by what is open now."""
    found = list(open_violations()[: _NAMED + 1])
    if not found:
        clear_alarm(REGISTRY_VIOLATIONS, now=now)
        return
    named = "; ".join(words_of(violation) for violation in found[:_NAMED])
    more = "; and more" if len(found) > _NAMED else ""
    if Alarm.objects.filter(
        code=REGISTRY_VIOLATIONS, cleared_at=None, last_seen_at__lt=found[0].found_at
    ).exists():
        # Another alarm than the one that people know: they are told again.
        clear_alarm(REGISTRY_VIOLATIONS, now=now)
    raise_alarm(
        REGISTRY_VIOLATIONS,
        f"MLflow was changed without a grant: {named}{more}. Look at the violations page: "
        "restore what was changed, or have an admin answer for it.",
        now=now,
    )


def words_of(violation: Violation) -> str:
    """Say in a few words what a violation changed."""
    name = violation.registered_model.name
    version = f" version {violation.version.version}" if violation.version else ""
    match violation.event:
        case "alias.set" | "alias.moved":
            return f"{violation.alias} of {name} moved to{version}"
        case "alias.removed":
            return f"{violation.alias} of {name} removed"
        case "model.gone":
            return f"{name} deleted"
        case "version.gone":
            return f"{name}{version} deleted"
        case "model.renamed":
            return f"{name} renamed from {(violation.before or {}).get('name', '?')}"
        case "artifacts.changed":
            return f"files of {name}{version} changed"
        case _:
            changed = " and ".join(sorted(violation.after or {})) or "fields"
            return f"{changed} of {name}{version} changed"


def _restorable(
    event: str, earlier: Violation, before: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if event.startswith("alias."):
        return cast("Mapping[str, Any] | None", earlier.before)
    return merged_before(earlier.before, before)


def _family(event: str) -> tuple[str, ...]:
    """Return the events that are changes of the same thing."""
    subject = event.partition(".")[0]
    return ("alias.set", "alias.moved", "alias.removed") if subject == "alias" else (event,)


def _is_restored(violation: Violation, registered_model: RegisteredModel) -> bool:
    if violation.alias:
        held = ModelAlias.objects.filter(registered_model=registered_model, alias=violation.alias)
        number = held.values_list("version__version", flat=True).first()
        return number == (violation.before or {}).get("version")
    subject = violation.version or registered_model
    if violation.event.endswith(".gone"):
        # What came back as something else is not what was deleted.
        is_same = governed_part(violation.before or {}, subject.row) == ({}, {})
        return subject.gone_at is None and is_same
    return holds_again(violation.before or {}, subject.row)
