"""Promotions: asked for, given the evidence that they need, and taken back."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from audits.domain.actor import GATE, Actor
from audits.models import Job
from audits.selectors import current_evidence
from audits.services.disclosures import commit_text
from audits.services.log import lock_stream
from lineage.models import LineageRecord
from registry.domain.emergency import Emergency
from registry.domain.promotion import (
    EMERGENCY_EVENT,
    INITIAL_STATUS,
    REQUESTED_EVENT,
    PromotionEvent,
)
from registry.domain.words import SCANNED_KINDS
from registry.errors import (
    InvalidRequest,
    PromotionOpen,
    WithdrawalNotAllowed,
)
from registry.models import (
    ModelVersion,
    Promotion,
)
from registry.services.aliases import require_governed_alias
from registry.services.decisions import GONE, alias_holder, decide_promotion
from registry.services.emergency_state import is_held_by_emergency
from registry.services.locking import lock_promotion
from registry.services.policies import document_of
from registry.services.recomputation_orders import order_wanted_recomputation
from registry.services.set_audit_orders import order_wanted_set_audit
from registry.services.stating import move_promotion, state_promotion
from registry.services.text import require_plain_text
from registry.services.trainers import trainer_of
from registry.services.work import order_job

MAX_NOTE = 2000


@transaction.atomic(durable=True)
def request_promotion(
    *,
    version: ModelVersion,
    alias: str,
    note: str = "",
    is_emergency: bool = False,
    actor: Actor,
    now: datetime,
) -> Promotion:
    """Ask for a governed alias to be moved to a version; the decision follows at once.

    Evidence that is missing is ordered, and the promotion waits for it. A model without a policy
    is denied. Where the version holds the alias already this is its periodic review: the same
    approvals on today's evidence, and nothing is changed in MLflow.

    Args:
        is_emergency: whatever the gates say, two people who may review it sign with passkeys; it
            ends after a day. The note says why.

    Raises:
        RoleRequired: the actor is no engineer.
        NotGoverned: the alias needs no promotion; set it in MLflow.
        InvalidRequest: the version is gone, the note is too long, or it holds the alias already and
            the policy asks for no review from time to time.
        PromotionOpen: this version already has an open promotion to this alias.
    """
    actor.require_role("request a promotion", "engineer")
    alias = require_governed_alias(alias)
    if version.gone_at is not None:
        raise InvalidRequest(GONE)
    require_plain_text("note", note, MAX_NOTE)
    if is_emergency and not note.strip():
        raise InvalidRequest("Say in the note what the emergency is: those who sign read it.")
    lock_stream(version.registered_model.uri)
    holder = alias_holder(version.registered_model, alias)
    if holder == version and not is_reviewed_again(version, alias):
        raise InvalidRequest(f"This version is {alias} already.")
    try:
        with transaction.atomic():
            promotion = Promotion.objects.create(
                version=version,
                alias=alias,
                status=INITIAL_STATUS,
                requester=User.objects.get(pk=actor.id),
                trainer=trainer_of(version),
                note=note,
                emergency=Emergency.FORWARD if is_emergency else "",
                replaces=holder,
                requested_at=now,
                updated_at=now,
            )
    except IntegrityError as error:
        raise PromotionOpen(
            f"Version {version.version} already has an open promotion to {alias}."
        ) from error
    state_promotion(
        promotion=promotion,
        event=EMERGENCY_EVENT if is_emergency else REQUESTED_EVENT,
        predicate=(
            {"reason_commitment": commit_text(person_id=UUID(actor.id), text=note)} if note else {}
        ),
        actor=actor,
        now=now,
    )
    order_missing_evidence(version=version, actor=actor, now=now)
    return decide_promotion(promotion_id=promotion.pk, actor=GATE, now=now)


def is_reviewed_again(version: ModelVersion, alias: str) -> bool:
    """Tell whether what holds an alias is reviewed once more.

    The policy has approvals signed again from time to time, or it came to it in an emergency.
    """
    if is_held_by_emergency(version, alias):
        return True
    binding = getattr(version.registered_model, "binding", None)
    return binding is not None and document_of(binding.policy).approvals.expires


def order_missing_evidence(*, version: ModelVersion, actor: Actor, now: datetime) -> None:
    """Open the job for evidence that a bound policy would read and that does not stand.

    Nobody has made it yet, it could not be made then, it is too old, or about other bytes.
    """
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        # The mirror opened it once; where that one failed for good, this is the way to try again.
        # The audit follows the record.
        order_job(kind=Job.Kind.LINEAGE, version_uri=version.uri, requested_by=None, now=now)
        return
    if not hasattr(version.registered_model, "binding"):
        return
    policy = document_of(version.registered_model.binding.policy)
    oldest = now - timedelta(days=policy.evidence_max_age_days)
    standing = {
        item.kind
        for item in current_evidence(version.uri)
        if item.conclusion != "error"
        and item.produced_at >= oldest
        and item.subject_digest == record.subject_digest
    }
    requested_by = UUID(actor.id) if actor.kind == "person" else None
    if policy.reads_predictions and {"bias", "performance"} - standing:
        order_job(
            kind=Job.Kind.PREDICTIONS_AUDIT,
            version_uri=version.uri,
            requested_by=requested_by,
            now=now,
        )
    order_wanted_set_audit(version=version, policy=policy, requested_by=requested_by, now=now)
    if (SCANNED_KINDS & policy.evidence_kinds) - standing:
        order_job(kind=Job.Kind.SCAN, version_uri=version.uri, requested_by=requested_by, now=now)
    order_wanted_recomputation(
        version=version, policy=policy, requested_by=requested_by, actor=actor, now=now
    )


@transaction.atomic(durable=True)
def withdraw_promotion(*, promotion_id: UUID, actor: Actor, now: datetime) -> Promotion:
    """Take a request back; only its requester may, and only before it is executed.

    Raises:
        WithdrawalNotAllowed: the actor is not the requester.
        PromotionClosed: it has ended or is being executed.
    """
    promotion = lock_promotion(promotion_id)
    if actor.id != str(promotion.requester_id):
        raise WithdrawalNotAllowed("Only the person who requested a promotion withdraws it.")
    return move_promotion(promotion=promotion, event=PromotionEvent.WITHDRAWN, actor=actor, now=now)
