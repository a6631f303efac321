"""Ordering audits with an evaluation set: by people, and by a gate that asks for what they make."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audits.domain.actor import Actor
from audits.models import Evidence, Job
from audits.selectors import current_evidence
from audits.services.evidence import open_job
from lineage.models import LineageRecord
from registry.domain.policy import Policy
from registry.domain.promotion import DECIDABLE_STATUSES
from registry.errors import SetAuditNotPossible, SetAuditOpen
from registry.models import EvaluationSet, ModelVersion, PolicyBinding, RegisteredModel
from registry.selectors.evaluation_sets import SET_INPUT, bound_set, count_audits
from registry.services.data_watch import served_versions
from registry.services.decisions import GONE
from registry.services.policies import document_of
from registry.services.work import order_job, send_job

ROLES = ("engineer", "reviewer", "admin")
KINDS = frozenset({"bias", "performance"})
NO_SET = (
    "No evaluation set is bound to this model, so Muniment has nothing to ask it about. An admin "
    "registers one with `manage.py evaluation_set add` and binds it with `manage.py "
    "evaluation_set bind`"
)


@transaction.atomic(durable=True)
def request_set_audit(*, version: ModelVersion, actor: Actor, now: datetime) -> Job:
    """Order that a version is asked about its model's evaluation set; a worker takes it up.

    Raises:
        RoleRequired: the actor is neither engineer, reviewer nor admin.
        SetAuditNotPossible: the version is gone or not recorded yet, no set is bound, or the
            policy allows no more audits with it.
        SetAuditOpen: it is being audited already.
    """
    actor.require_role("order an audit with the evaluation set", *ROLES)
    model = version.registered_model
    if version.gone_at is not None:
        raise SetAuditNotPossible(GONE)
    if not LineageRecord.objects.filter(version_uri=version.uri).exists():
        raise SetAuditNotPossible(
            f"Version {version.version} has no lineage record yet. Order it again when it has."
        )
    evaluation_set = bound_set(model)
    if evaluation_set is None:
        raise SetAuditNotPossible(f"{NO_SET}.")
    refusal = why_no_more(evaluation_set, model)
    if refusal:
        raise SetAuditNotPossible(f"{refusal}.")
    job, is_new = open_job(
        kind=Job.Kind.SET_AUDIT, version_uri=version.uri, requested_by=UUID(actor.id), now=now
    )
    if not is_new:
        raise SetAuditOpen(
            f"Version {version.version} is being audited already: it is {job.status}. "
            "Wait for what comes of it."
        )
    send_job(job)
    return job


def why_no_more(evaluation_set: EvaluationSet, registered_model: RegisteredModel) -> str:
    """Say why the bound policy allows no more audits of the model with this set; empty if it does.

    Who may try as often as they like passes at some time by luck.
    """
    policy = _policy_of(registered_model)
    most = policy.max_audits_per_set if policy else None
    if most is None or count_audits(evaluation_set, registered_model) < most:
        return ""
    return (
        f"This model was audited {most} time{'s' if most > 1 else ''} with {evaluation_set}, and "
        "its policy allows no more. An admin registers a new version with other rows, and binds it"
    )


def order_wanted_set_audit(
    *, version: ModelVersion, policy: Policy, requested_by: UUID | None, now: datetime
) -> None:
    """Order the audit that a version needs, where none stands that was made with the bound set.

    That is one that waits for a decision, or that a governed alias names. Where no set is bound,
    only for a policy that accepts nothing else: the evidence then says what is missing.
    """
    evaluation_set = bound_set(version.registered_model)
    wanted = KINDS if evaluation_set is not None else policy.computed_only
    if not wanted & KINDS or not _is_waited_for(version):
        return
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        return
    oldest = now - timedelta(days=policy.evidence_max_age_days)
    standing = {
        item.kind
        for item in current_evidence(version.uri)
        if item.conclusion != "error"
        and item.origin == "computed"
        and item.produced_at >= oldest
        and item.subject_digest == record.subject_digest
        and _is_made_with(item, evaluation_set)
    }
    if wanted & KINDS - standing:
        order_job(
            kind=Job.Kind.SET_AUDIT,
            version_uri=version.uri,
            requested_by=requested_by,
            now=now,
        )


def order_audits_with_new_set(
    *, registered_model: RegisteredModel, actor: Actor, now: datetime
) -> None:
    """Order the audits that a newly bound set makes necessary."""
    policy = _policy_of(registered_model)
    if policy is None:
        return
    for version in registered_model.versions.filter(gone_at__isnull=True):
        order_wanted_set_audit(
            version=version,
            policy=policy,
            requested_by=UUID(actor.id),
            now=now,
        )


def _policy_of(registered_model: RegisteredModel) -> Policy | None:
    binding = (
        PolicyBinding.objects.select_related("policy")
        .filter(registered_model=registered_model)
        .first()
    )
    return document_of(binding.policy) if binding else None


def _is_waited_for(version: ModelVersion) -> bool:
    waiting = version.promotions.filter(status__in=DECIDABLE_STATUSES)
    return waiting.exists() or served_versions().filter(pk=version.pk).exists()


def _is_made_with(item: Evidence, evaluation_set: EvaluationSet | None) -> bool:
    return evaluation_set is not None and any(
        one.get("name") == SET_INPUT and one.get("digest") == evaluation_set.digest
        for one in item.inputs
    )
