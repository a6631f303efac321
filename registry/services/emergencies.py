"""Emergencies: the alias moves at once by one signature, and is logged as what it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import NoticeKind
from accounts.services.notices import post_notice
from audits.domain.actor import Actor
from audits.services.log import lock_stream
from registry.domain.emergency import MEANINGS, ROLES, Emergency, not_passed
from registry.domain.gate_result import GateResult
from registry.domain.promotion import PromotionStatus
from registry.errors import EvidenceChanged, InvalidRequest, PromotionOpen, RollbackNotPossible
from registry.models import (
    AliasChange,
    Decision,
    EmergencyApproval,
    Grant,
    ModelVersion,
    Promotion,
    RegisteredModel,
)
from registry.services.aliases import require_governed_alias
from registry.services.decisions import NO_POLICY, alias_holder, denial
from registry.services.evaluation import Evaluation, evaluate_version
from registry.services.facts import state_registry_event
from registry.services.rollbacks import why_never_back
from registry.services.signature_strength import least_for, require_least
from registry.services.signing import MAX_ABOUT, Means, Pen, sign
from registry.services.stating import state_promotion
from registry.services.text import require_plain_text
from registry.services.work import send_promotion

MAX_REASON = 2000
OPERATION = "roll back in an emergency"
SIGNED_EVENT = "emergency.signed"
MOVED_EVENT = "promotion.emergency_rollback"


def previous_holder(registered_model: RegisteredModel, alias: str) -> ModelVersion:
    """Return the version that the alias would go back to: the last other one that may hold it.

    Raises:
        RollbackNotPossible: nobody holds the alias, or no earlier holder passed and is what it was.
    """
    holder = alias_holder(registered_model, alias)
    if holder is None:
        raise RollbackNotPossible(f"Nothing is {alias} now, so there is nothing to put back.")
    fault = f"No version was {alias} before version {holder.version}."
    changes = AliasChange.objects.filter(
        registered_model=registered_model, alias__iexact=alias, after__isnull=False
    )
    # Newest first. What an emergency has moved the alias away from is not gone back to by the next.
    left: set[int | None] = set()
    changes = changes.select_related("after__registered_model", "promotion")
    for change in changes.order_by("-pk"):
        version = change.after
        if change.promotion is not None and change.promotion.emergency == Emergency.ROLLBACK:
            left.add(change.before_id)
        if version is None or version == holder or version.pk in left:
            continue
        fault = why_never_back(version, alias)
        if not fault:
            return version
    raise RollbackNotPossible(fault)


def shown_evaluation(
    version: ModelVersion, alias: str, now: datetime
) -> tuple[Evaluation, Sequence[GateResult]]:
    """Return what is known of the version to go back to, and the gates that it does not pass."""
    evaluation = evaluate_version(version=version, alias=alias, as_of=now)
    gates = not_passed(evaluation.decision.gates) if evaluation.decision is not None else ()
    return evaluation, gates


def roll_back_now(
    *,
    registered_model: RegisteredModel,
    alias: str,
    to_version: int,
    evidence_digest: str,
    reason: str,
    means: Means,
    actor: Actor,
    now: datetime,
) -> Promotion:
    """Put an alias back to its previous holder at once, by one signature after re-authentication.

    No gate is asked; those that the version does not pass today stand in the signed statement.
    It is executed like any promotion: once the signature stands under a checkpoint.

    Args:
        to_version: the previous holder that the page showed.
        evidence_digest: of what the page showed of it; empty where no policy is bound.
        reason: kept as personal data, the log holds a commitment.

    Raises:
        As `sign`, and
        NotGoverned: the alias needs no promotion.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        RollbackNotPossible: there is no earlier holder that may hold it again.
        EvidenceChanged: the previous holder, or what is known of it, is not what was shown.
        PromotionOpen: that version has an open promotion to the alias.
        InvalidRequest: no reason, or a text that is too long.
    """
    actor.require_role(OPERATION, *ROLES)
    alias = require_governed_alias(alias)
    reason = reason.strip()
    if not reason:
        raise InvalidRequest("Give the reason: it is read by whoever looks into this later.")
    require_plain_text("reason", reason, MAX_REASON)

    def write(pen: Pen) -> Promotion:
        lock_stream(registered_model.uri)
        require_least(pen.method, least_for(registered_model))
        version = previous_holder(registered_model, alias)
        evaluation, gates = shown_evaluation(version, alias, pen.now)
        shown = evaluation.decision.evidence_digest if evaluation.decision is not None else ""
        if (version.version, shown) != (to_version, evidence_digest):
            raise EvidenceChanged(
                "What is known of the version has changed since this page was shown, so nothing "
                "was signed. Read it again and decide on what it shows now."
            )
        promotion = _open(version, alias, pen)
        _sign(promotion, gates, reason, pen)
        _state(promotion, evaluation, actor=pen.actor, now=pen.now)
        Grant.objects.create(promotion=promotion, status=Grant.Status.WRITTEN, written_at=pen.now)
        _tell(promotion, pen)
        send_promotion(promotion)
        return promotion

    return sign(
        write,
        operation=OPERATION,
        roles=ROLES,
        about=f"emergency:{registered_model.pk}:{alias}"[:MAX_ABOUT],
        means=means,
        actor=actor,
        now=now,
    )


def _tell(promotion: Promotion, pen: Pen) -> None:
    version, replaced = promotion.version, promotion.replaces
    post_notice(
        kind=NoticeKind.REGISTRY,
        subject="An alias is put back in an emergency.",
        text=f"{promotion.alias} of {version.registered_model.name}, from version "
        f"{replaced.version if replaced else 'none'} to {version.version}, "
        f"signed by {pen.person.printed_name}.",
        path=f"/promotions/{promotion.pk}/",
        audience=["engineer", "reviewer", "admin"],
        dedup_key=f"emergency:{promotion.pk}",
        now=pen.now,
    )


def _open(version: ModelVersion, alias: str, pen: Pen) -> Promotion:
    try:
        with transaction.atomic():
            return Promotion.objects.create(
                id=pen.new_id(),
                version=version,
                alias=alias,
                status=PromotionStatus.APPROVED,
                emergency=Emergency.ROLLBACK,
                requester=pen.person,
                replaces=alias_holder(version.registered_model, alias),
                requested_at=pen.at,
                updated_at=pen.now,
            )
    except IntegrityError as error:
        raise PromotionOpen(
            f"Version {version.version} has an open promotion to {alias} already. If it waits, "
            "have it withdrawn; if it is being executed, wait for it."
        ) from error


def _sign(promotion: Promotion, gates: Sequence[GateResult], reason: str, pen: Pen) -> None:
    role = next(role for role in ROLES if role in pen.actor.roles)
    before, after = promotion.replaces, promotion.version
    entry = state_registry_event(
        event=SIGNED_EVENT,
        registered_model=after.registered_model,
        version=after,
        before=None,
        after=None,
        detail={
            "promotion_id": str(promotion.pk),
            "kind": promotion.emergency,
            "alias": promotion.alias,
            "from_version": before.version if before else None,
            "to_version": after.version,
            "meaning": MEANINGS[Emergency(promotion.emergency)],
            **pen.signer(role),
            "reason_commitment": pen.commit_text(reason),
            "not_passed": {gate.id: gate.outcome.value for gate in gates},
        },
        seal=pen.seal,
        actor=pen.actor,
        now=pen.at,
    )
    EmergencyApproval.objects.create(
        promotion=promotion, person=pen.person, signed_at=pen.at, entry=entry
    )


def _state(promotion: Promotion, evaluation: Evaluation, *, actor: Actor, now: datetime) -> None:
    decision = evaluation.decision
    content: dict[str, Any] = denial(NO_POLICY) if decision is None else decision.to_mapping()
    entry = state_promotion(
        promotion=promotion,
        event=MOVED_EVENT,
        predicate={
            "decision": content,
            "policy": content["policy"],
            "evidence_digest": content["evidence_digest"] or None,
        },
        actor=actor,
        now=now,
    )
    Decision.objects.create(
        promotion=promotion,
        policy=evaluation.binding.policy if evaluation.binding else None,
        verdict=content["verdict"],
        evidence_digest=content["evidence_digest"],
        content=content,
        decided_at=now,
        entry=entry,
    )
