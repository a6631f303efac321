"""Rollback grants: who may have one, for which move, and taking it back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import NoticeKind, User
from accounts.services.notices import post_notice, settle_notice
from audits.domain.actor import Actor
from audits.services.disclosures import commit_text
from audits.services.log import lock_stream
from registry.domain.policy import ApprovalRule
from registry.domain.rollback import (
    DEFAULT_VALID_DAYS,
    LIVING,
    RollbackEvent,
    RollbackStatus,
    next_rollback_status,
    require_valid_days,
)
from registry.errors import (
    InvalidRequest,
    NoPolicyBound,
    RollbackNotPossible,
)
from registry.models import (
    AliasChange,
    ModelVersion,
    Promotion,
    RollbackGrant,
)
from registry.services.aliases import require_governed_alias
from registry.services.decisions import GONE, NO_POLICY, alias_holder
from registry.services.policies import document_of
from registry.services.rollback_facts import state_rollback, words_of
from registry.services.text import require_plain_text
from registry.services.trainers import trainer_of
from registry.services.violations import standing_against, withdrawn_against

MAX_NOTE = 2000


@transaction.atomic(durable=True)
def request_rollback(
    *,
    version: ModelVersion,
    alias: str,
    note: str,
    valid_days: int = DEFAULT_VALID_DAYS,
    actor: Actor,
    now: datetime,
) -> RollbackGrant:
    """Ask for a grant that puts an alias back from the version that holds it now to an earlier one.

    Args:
        version: held the alias before, by a promotion that passed then, and holds it no more.
        note: why it may be needed; kept as personal data, the log holds a commitment.
        valid_days: 1 to 90.

    Raises:
        RoleRequired: the actor is no engineer.
        NotGoverned: the alias needs no grant; set it in MLflow.
        NoPolicyBound: nobody is named who could sign.
        RollbackNotPossible: nothing to go back from, the version never passed for this alias,
            it is not what it was then, or the same grant is open already.
        RollbackTooLong, InvalidRequest: a field is out of bounds.
    """
    actor.require_role("request a rollback grant", "engineer")
    alias = require_governed_alias(alias)
    note = note.strip()
    if not note:
        raise InvalidRequest("Say when this rollback may be needed: the reviewers read it.")
    require_plain_text("note", note, MAX_NOTE)
    expires_at = now + require_valid_days(valid_days)
    lock_stream(version.registered_model.uri)
    holder = alias_holder(version.registered_model, alias)
    if holder is None or holder == version:
        held = f"Version {version.version} is {alias}" if holder else f"Nothing is {alias}"
        raise RollbackNotPossible(f"{held} now, so there is nothing to put back.")
    approval_rule(version)
    if fault := why_never_back(version, alias):
        raise RollbackNotPossible(fault)
    same = RollbackGrant.objects.filter(
        version=version,
        from_version=holder,
        alias=alias,
        status__in=LIVING,
        expires_at__gt=now,
    )
    if same.exists():
        raise RollbackNotPossible(
            f"There is a rollback grant from version {holder.version} to {version.version} "
            "already. Use it, or revoke it first."
        )
    rollback = RollbackGrant(
        version=version,
        from_version=holder,
        alias=alias,
        status=RollbackStatus.REQUESTED,
        requester=User.objects.get(pk=actor.id),
        note=note,
        requested_at=now,
        expires_at=expires_at,
        updated_at=now,
    )
    rollback.save(force_insert=True)
    state_rollback(
        rollback=rollback,
        event=RollbackEvent.REQUESTED,
        detail={"reason_commitment": commit_text(person_id=UUID(actor.id), text=note)},
        actor=actor,
        now=now,
    )
    post_notice(
        kind=NoticeKind.REGISTRY,
        subject="A rollback grant waits for signatures.",
        text=f"{alias} of {version.registered_model.name}, from version {holder.version} to "
        f"{version.version}, asked for by {rollback.requester.printed_name}.",
        path=f"/rollbacks/{rollback.pk}/",
        audience=["reviewer"],
        dedup_key=notice_key(rollback),
        now=now,
    )
    return rollback


@transaction.atomic(durable=True)
def revoke_rollback(*, rollback_id: UUID, actor: Actor, now: datetime) -> RollbackGrant:
    """Take a rollback grant back before it was used.

    A token that was handed out goes on to be honoured by a store that cannot ask: its use is then
    found as a violation.

    Raises:
        RoleRequired: the actor is neither reviewer nor admin, nor the one who asked for it.
        RollbackNotPossible: it was used, refused or revoked.
    """
    rollback = lock_rollback(rollback_id)
    if actor.id != str(rollback.requester_id):
        actor.require_role("revoke a rollback grant", "reviewer", "admin")
    if rollback.status not in LIVING:
        raise RollbackNotPossible(
            f"This rollback grant is {words_of(rollback)}: there is nothing left to revoke."
        )
    rollback.status = next_rollback_status(RollbackStatus(rollback.status), RollbackEvent.REVOKED)
    rollback.updated_at, rollback.sealed_token = now, None
    rollback.save(update_fields=["status", "updated_at", "sealed_token"])
    state_rollback(rollback=rollback, event=RollbackEvent.REVOKED, actor=actor, now=now)
    settle_notice(dedup_key=notice_key(rollback), now=now)
    return rollback


def notice_key(rollback: RollbackGrant) -> str:
    """Name the notice that a rollback grant waits for signatures."""
    return f"rollback:{rollback.pk}"


def lock_rollback(rollback_id: UUID) -> RollbackGrant:
    """Lock a rollback grant, its model's stream first; return it as it is then.

    Raises:
        RollbackNotPossible: there is none.
    """
    rollbacks = RollbackGrant.objects.select_related("version__registered_model", "from_version")
    found = rollbacks.filter(pk=rollback_id).first()
    if found is None:
        raise RollbackNotPossible("There is no such rollback grant.")
    lock_stream(found.version.registered_model.uri)
    return rollbacks.select_for_update(of=("self",)).get(pk=rollback_id)


def require_living(rollback: RollbackGrant, status: RollbackStatus, now: datetime) -> None:
    """Pass a rollback grant of this status that has not expired.

    Raises:
        RollbackNotPossible: any other.
    """
    if rollback.status != status:
        raise RollbackNotPossible(f"This rollback grant is {words_of(rollback)}.")
    if now >= rollback.expires_at:
        raise RollbackNotPossible(
            f"This rollback grant expired on {rollback.expires_at:%Y-%m-%d}. Ask for a new one."
        )


def why_never_back(version: ModelVersion, alias: str) -> str:
    """Say why an alias may not go back to a version; "" where it passed and is what it was."""
    if version.gone_at is not None:
        return GONE
    if passed_promotion(version, alias) is None:
        return (
            f"Version {version.version} never became {alias} by a promotion: no policy has judged "
            "it, so that no grant may skip that."
        )
    if withdrawn_against(version).exists():
        return (
            f"Version {version.version} was made from a dataset that was withdrawn: it may hold no "
            "alias."
        )
    if standing_against(version).exists():
        return (
            f"Version {version.version} is not what was judged: a violation stands against it that "
            "nothing can undo."
        )
    return ""


def approval_rule(version: ModelVersion) -> ApprovalRule:
    """Return who must sign, by the policy that the model is under now.

    Raises:
        NoPolicyBound: it is under none.
    """
    known = version.registered_model
    if not hasattr(known, "binding"):
        raise NoPolicyBound(NO_POLICY)
    return document_of(known.binding.policy).approvals


def trainer_now(version: ModelVersion, alias: str) -> UUID | None:
    """Return who trained a version, as it is known now, or was when it came to the alias."""
    known = trainer_of(version)
    passed = None if known else passed_promotion(version, alias)
    return known.pk if known else passed.trainer_id if passed else None


def signatures_needed(version: ModelVersion) -> int:
    """Count who must sign that a version may be gone back to, by the policy of now.

    Nobody counts as known to have trained it because they were so once.

    Raises:
        NoPolicyBound: the model is under none.
    """
    known = trainer_of(version)
    return approval_rule(version).required(trainer=str(known.pk) if known else None)


def passed_promotion(version: ModelVersion, alias: str) -> Promotion | None:
    """Return the promotion by which a version held an alias; None where it never did by one.

    An emergency is none: no policy let it through.
    """
    change = (
        AliasChange.objects.filter(
            after=version, alias=alias, promotion__status="executed", promotion__emergency=""
        )
        .select_related("promotion")
        .order_by("-pk")
        .first()
    )
    return change.promotion if change is not None else None
