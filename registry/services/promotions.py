"""Promotions: requested, decided again whenever something that counts has changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from audits.domain.actor import GATE, Actor
from audits.domain.log import Event
from audits.models import Job, LogEntry
from audits.services.disclosures import commit_text
from audits.services.log import append_statement, lock_stream, predicate_type
from lineage.models import LineageRecord
from muniment.attest.digest import Digest
from registry.domain.mirror import mapping_hash
from registry.domain.promotion import (
    DECIDABLE_STATUSES,
    INITIAL_STATUS,
    REQUESTED_EVENT,
    IllegalTransition,
    PromotionEvent,
    PromotionStatus,
    event_for_decision,
    next_status,
)
from registry.errors import (
    InvalidRequest,
    NotGoverned,
    PromotionClosed,
    PromotionOpen,
    WithdrawalNotAllowed,
)
from registry.models import (
    Decision,
    Dismissal,
    Grant,
    ModelAlias,
    ModelVersion,
    Promotion,
    RegisteredModel,
)
from registry.services.aliases import governed_aliases
from registry.services.evaluation import evaluate_version
from registry.services.locking import lock_promotion
from registry.services.text import require_plain_text
from registry.services.work import order_job, send_promotion

DECIDED_EVENT = "promotion.decided"
NO_POLICY = (
    "No policy is bound to this model, so nothing can be promoted. An admin binds one on the "
    "model's page."
)
GONE = "This version no longer exists in MLflow."
MAX_NOTE = 2000


@transaction.atomic(durable=True)
def request_promotion(
    *, version: ModelVersion, alias: str, note: str = "", actor: Actor, now: datetime
) -> Promotion:
    """Ask for a governed alias to be moved to a version; the decision follows at once.

    Evidence that is missing is ordered, and the promotion waits for it. A model without a policy
    is denied.

    Raises:
        RoleRequired: the actor is no engineer.
        NotGoverned: the alias needs no promotion; set it in MLflow.
        InvalidRequest: the version is gone, holds the alias already, or the note is too long.
        PromotionOpen: this version already has an open promotion to this alias.
    """
    actor.require_role("request a promotion", "engineer")
    alias = alias.strip().lower()
    if alias not in governed_aliases():
        raise NotGoverned(
            f"The alias {alias or '(none)'} is not governed. Governed are: "
            f"{', '.join(governed_aliases())}."
        )
    if version.gone_at is not None:
        raise InvalidRequest(GONE)
    require_plain_text("note", note, MAX_NOTE)
    lock_stream(version.registered_model.uri)
    holder = _holder(version.registered_model, alias)
    if holder == version:
        raise InvalidRequest(f"This version is {alias} already.")
    try:
        with transaction.atomic():
            promotion = Promotion.objects.create(
                version=version,
                alias=alias,
                status=INITIAL_STATUS,
                requester=User.objects.get(pk=actor.id),
                note=note,
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
        event=REQUESTED_EVENT,
        predicate=(
            {"reason_commitment": commit_text(person_id=UUID(actor.id), text=note)} if note else {}
        ),
        actor=actor,
        now=now,
    )
    order_missing_evidence(version=version, actor=actor, now=now)
    return decide_promotion(promotion_id=promotion.pk, actor=GATE, now=now)


def order_missing_evidence(*, version: ModelVersion, actor: Actor, now: datetime) -> None:
    """Open the job for evidence that a bound policy would read and that nobody has made yet."""
    from audits.selectors import current_evidence

    if not LineageRecord.objects.filter(version_uri=version.uri).exists():
        # The mirror opened it once; where that one failed for good, this is the way to try again.
        # The audit follows the record.
        order_job(kind=Job.Kind.LINEAGE, version_uri=version.uri, requested_by=None, now=now)
        return
    if not hasattr(version.registered_model, "binding"):
        return
    if {"bias", "performance"} - {item.kind for item in current_evidence(version.uri)}:
        order_job(
            kind=Job.Kind.PREDICTIONS_AUDIT,
            version_uri=version.uri,
            requested_by=UUID(actor.id) if actor.kind == "person" else None,
            now=now,
        )


@transaction.atomic
def decide_promotion(*, promotion_id: UUID, actor: Actor, now: datetime) -> Promotion:
    """Evaluate the policy again and move the promotion where the decision says.

    Writes nothing where neither the decision nor what it rests on has changed. Approvals of
    evidence that is no longer current are dismissed. An allowed promotion gets its single-use
    grant in this very transaction.
    """
    promotion = lock_promotion(promotion_id)
    status = PromotionStatus(promotion.status)
    if status not in DECIDABLE_STATUSES:
        return promotion
    evaluation = evaluate_version(version=promotion.version, alias=promotion.alias, as_of=now)
    # A version that MLflow no longer has is not judged at all.
    decision = evaluation.decision if promotion.version.gone_at is None else None
    if decision is None:
        event: PromotionEvent | None = PromotionEvent.DENIED
        content = _denial(NO_POLICY if promotion.version.gone_at is None else GONE)
    else:
        event = event_for_decision(status, decision)
        content = decision.to_mapping()
    if event is None and not _has_changed(promotion, content):
        return promotion
    if event is not None:
        promotion.status = next_status(status, event)
    promotion.updated_at = now
    promotion.replaces = _holder(promotion.version.registered_model, promotion.alias)
    promotion.save(update_fields=["status", "updated_at", "replaces"])
    entry = state_promotion(
        promotion=promotion,
        event=event.value if event else DECIDED_EVENT,
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
        policy=evaluation.binding.policy if evaluation.binding and decision is not None else None,
        verdict=content["verdict"],
        evidence_digest=content["evidence_digest"],
        content=content,
        decided_at=now,
        entry=entry,
    )
    if decision is not None:
        _dismiss_outdated(promotion, decision.evidence_digest, actor=actor, now=now)
    if promotion.status == PromotionStatus.APPROVED:
        Grant.objects.get_or_create(
            promotion=promotion,
            status__in=[s for s in Grant.Status if s != Grant.Status.VOID],
            defaults={"status": Grant.Status.WRITTEN, "written_at": now},
        )
        send_promotion(promotion)
    return promotion


def decide_open_promotions(*, registered_model: RegisteredModel, now: datetime) -> None:
    """Decide again every promotion of a model that something new may change.

    New evidence on one version, or a move of the alias, changes what the others are compared with.
    """
    for promotion in Promotion.objects.filter(
        version__registered_model=registered_model, status__in=sorted(DECIDABLE_STATUSES)
    ).order_by("pk"):
        decide_promotion(promotion_id=promotion.pk, actor=GATE, now=now)


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


def move_promotion(
    *,
    promotion: Promotion,
    event: PromotionEvent,
    actor: Actor,
    now: datetime,
    predicate: dict[str, Any] | None = None,
) -> Promotion:
    """Move a locked promotion by one event of the transition table, with its fact.

    Raises:
        PromotionClosed: the table has no such move from where it stands.
    """
    status = PromotionStatus(promotion.status)
    if not status.is_open:
        raise PromotionClosed(f"This promotion has ended: it is {status.value}.")
    try:
        promotion.status = next_status(status, event)
    except IllegalTransition as error:
        words = status.value.replace("_", " ")
        raise PromotionClosed(f"This promotion is {words}, so this comes too late.") from error
    promotion.updated_at = now
    promotion.save(update_fields=["status", "updated_at", "failure"])
    state_promotion(
        promotion=promotion, event=event.value, predicate=predicate or {}, actor=actor, now=now
    )
    return promotion


def state_promotion(
    *,
    promotion: Promotion,
    event: str,
    predicate: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> LogEntry:
    """Append a fact about a promotion to its model's stream."""
    version = promotion.version
    return append_statement(
        event=event,
        predicate_type=predicate_type("promotion"),
        subject_name=version.uri,
        subject_digest=subject_digest_of(version),
        predicate={
            "promotion_id": str(promotion.pk),
            "alias": promotion.alias,
            "version_uri": version.uri,
            "status": promotion.status,
            **predicate,
        },
        stream=version.registered_model.uri,
        actor=actor,
        now=now,
    )


def subject_digest_of(version: ModelVersion) -> Digest:
    """Return the digest of a version's recorded artifacts, else that of its registry row."""
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        return Digest("sha256", mapping_hash(version.row))
    return Digest.parse(record.subject_digest)


def _holder(registered_model: RegisteredModel, alias: str) -> ModelVersion | None:
    """Return the version that the alias names now, which a promotion would replace."""
    held = (
        ModelAlias.objects.select_related("version")
        .filter(registered_model=registered_model, alias__iexact=alias)
        .first()
    )
    return held.version if held else None


def _denial(reason: str) -> dict[str, Any]:
    """Return what stands in place of a decision where there is nothing to evaluate."""
    return {
        "verdict": "deny",
        "reasons": [reason],
        "policy": None,
        "evidence_digest": "",
        "gates": [],
        "approvals": None,
    }


def _has_changed(promotion: Promotion, content: dict[str, Any]) -> bool:
    last = promotion.decisions.order_by("-entry_id").first()
    if last is None:
        return True
    same = ("verdict", "evidence_digest", "gates", "approvals")
    return any(last.content.get(key) != content[key] for key in same)


def _dismiss_outdated(
    promotion: Promotion, evidence_digest: str, *, actor: Actor, now: datetime
) -> None:
    outdated = promotion.approvals.filter(dismissal__isnull=True).exclude(
        evidence_digest=evidence_digest
    )
    for approval in outdated.select_related("entry"):
        given = approval.statement_fields()
        entry = append_statement(
            event=Event.APPROVAL_DISMISSED,
            predicate_type=predicate_type("approval"),
            subject_name=promotion.version.uri,
            subject_digest=Digest.parse(approval.entry.subject_digest),
            predicate=given,
            stream=promotion.version.registered_model.uri,
            actor=actor,
            now=now,
        )
        Dismissal.objects.create(
            approval=approval,
            reason="The evidence has changed since it was signed.",
            at=now,
            entry=entry,
        )
