"""Undoing violations in MLflow, where the source's settings ask for it and MLflow can."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import structlog
from django.db.models import F, Q, QuerySet

from lineage.errors import MlflowRefused
from lineage.mlflow import MlflowClient
from muniment.change import RegistryChange
from registry.domain.modes import Mode
from registry.domain.undoing import changes_to_undo
from registry.domain.violations import ROW_CHANGES, ViolationStatus, holds_again
from registry.models import RegistrySource, Violation
from registry.services.grants import issue_restore_token
from registry.services.modes import Watch, watch_of
from registry.services.violations import names_answered_for
from registry.services.work import send_revert

logger = structlog.get_logger(__name__)

# One that comes back as often is left to a person: the alarm stays, with why.
MAX_ATTEMPTS: Final = 5


def order_reverts(source: RegistrySource) -> int:
    """Have what can be undone be undone; return of how many. None where the source says `alarm`."""
    if source.on_violation != RegistrySource.OnViolation.REVERT:
        return 0
    watch = watch_of(source.name)
    ordered = [violation for violation in revertible_of(source) if _is_enforced(violation, watch)]
    for violation in ordered:
        send_revert(violation)
    return len(ordered)


def revertible_of(source: RegistrySource) -> list[Violation]:
    """Return the open violations of which MLflow can undo something, not tried too often."""
    return [violation for violation in _open_of(source) if _changes(violation)]


def _open_of(source: RegistrySource) -> QuerySet[Violation]:
    return Violation.objects.filter(
        # Of a row, a stage or tag can be put back also where something else of it cannot.
        Q(can_be_undone=True) | Q(event__in=[kind.value for kind in ROW_CHANGES]),
        registered_model__source=source,
        status=ViolationStatus.OPEN,
        attempts__lt=MAX_ATTEMPTS,
    ).select_related("registered_model", "version")


def revert_violation(
    *, violation_id: UUID, client: MlflowClient, clock: Callable[[], datetime]
) -> bool:
    """Tell MLflow to bring back what a violation changed; return whether anything was tried.

    Nothing is concluded from MLflow's answer: the next walk sees what is there, and closes the
    violation with its fact. An alias that moved on meanwhile is left to that walk. An attempt
    counts once MLflow has answered every change of it, by doing or by refusing.

    Raises:
        MlflowUnavailable: MLflow did not answer; no attempt is counted, and the next walk orders
            it again.
    """
    violation = _still_wanted(violation_id, client)
    if violation is None:
        return False
    failure = ""
    for change in _changes(violation):
        token = issue_restore_token(violation=violation, change=change, now=clock())
        try:
            client.change_registry(change, grant=token)
        except MlflowRefused as error:
            failure = str(error)
            logger.warning("violation.not_undone", violation=str(violation.pk), why=failure)
    # Only now: a server that is away for an hour has refused nothing, and uses up no attempt.
    Violation.objects.filter(pk=violation.pk).update(
        attempts=F("attempts") + 1, failure=failure[:2000]
    )
    return True


def _is_enforced(violation: Violation, watch: Watch) -> bool:
    """Say whether the model's name, or one that it was taken from, is enforced."""
    names = names_answered_for(violation.registered_model)
    return Mode.ENFORCE in {watch.mode(name) for name in names}


def _still_wanted(violation_id: UUID, client: MlflowClient) -> Violation | None:
    """Return the violation; None where there is nothing to undo, or not any more."""
    found = Violation.objects.select_related("registered_model__source").get(pk=violation_id)
    known = found.registered_model
    if known.source.on_violation != RegistrySource.OnViolation.REVERT or not _is_enforced(
        found, watch_of(known.source_id)
    ):
        return None
    if found.alias:
        held = client.get_alias(known.name, found.alias)
        if held != (found.after or {}).get("version"):
            return None
    violation = _open_of(known.source).filter(pk=violation_id).first()
    return violation if violation is not None and _changes(violation) else None


def _changes(violation: Violation) -> tuple[RegistryChange, ...]:
    return changes_to_undo(
        violation.event,
        model_name=violation.registered_model.name,
        version=violation.version.version if violation.version else None,
        alias=violation.alias,
        before=_not_back_yet(violation),
    )


def _not_back_yet(violation: Violation) -> dict[str, Any] | None:
    """Return what of a row the mirror does not show restored; of an alias or a name, all."""
    before = violation.before
    if before is None or violation.event not in ROW_CHANGES:
        return cast("dict[str, Any] | None", before)
    row = (violation.version or violation.registered_model).row
    missing = {key: value for key, value in before.items() if not holds_again({key: value}, row)}
    if "tags" in missing:
        missing["tags"] = {
            key: value
            for key, value in missing["tags"].items()
            if not holds_again({"tags": {key: value}}, row)
        }
    return missing
