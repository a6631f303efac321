"""Waiving one gate of one version for a time, and taking that back."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.models import User
from audits.domain.actor import Actor
from audits.services.disclosures import commit_text
from audits.services.log import lock_stream
from muniment.attest.statement import format_time
from registry.domain.promotion import OPEN_STATUSES
from registry.domain.waivers import GRANTED, REVOKED, why_not_until, why_not_waive
from registry.errors import (
    InvalidRequest,
    NoPolicyBound,
    ReviewNotAllowed,
    WaiverNotPossible,
)
from registry.models import GateWaiver, ModelVersion, PolicyBinding, Promotion, WaiverRevocation
from registry.services.decisions import GONE, NO_POLICY, decide_open_promotions
from registry.services.facts import state_registry_event
from registry.services.policies import document_of
from registry.services.signature_strength import least_signature, require_least
from registry.services.signing import MAX_ABOUT, Means, Pen, sign
from registry.services.text import require_plain_text

MEANING: Final = "I waive this gate for this version until the end that is given."
ROLES: Final = ("reviewer", "admin")
MAX_REASON: Final = 4000
OPERATION: Final = "waive a gate"


def grant_waiver(
    *,
    version: ModelVersion,
    gate_id: str,
    reason: str,
    until: datetime,
    means: Means,
    actor: Actor,
    now: datetime,
) -> GateWaiver:
    """Sign an exception to one gate of the bound policy, after re-authentication.

    It holds for this version under this version of the policy, until its end. What is open is
    decided again at once, and what was signed without it is dismissed.

    Raises:
        As `sign`, and
        ReviewNotAllowed: this person may not waive this gate of this version.
        SignatureTooWeak: the policy asks for more than was shown; nothing was signed.
        NoPolicyBound: the model has no policy.
        WaiverNotPossible: the version is gone, or the gate is waived until then already.
        InvalidRequest: no reason, or an end that is past or too far away.
    """
    actor.require_role(OPERATION, *ROLES)
    reason = _reason(reason, "Give the reason for which the gate need not hold.")
    if problem := why_not_until(until, now):
        raise InvalidRequest(problem)

    def write(pen: Pen) -> GateWaiver:
        lock_stream(version.registered_model.uri)
        return _grant(version, gate_id, reason, until, pen)

    return sign(
        write,
        operation=OPERATION,
        roles=ROLES,
        about=f"waiver:{version.pk}:{gate_id}"[:MAX_ABOUT],
        means=means,
        actor=actor,
        now=now,
    )


def _grant(
    version: ModelVersion, gate_id: str, reason: str, until: datetime, pen: Pen
) -> GateWaiver:
    binding = _binding(version)
    policy = document_of(binding.policy)
    require_least(pen.method, least_signature(binding))
    roles = pen.actor.roles
    refusal = why_not_waive(
        policy, gate_id, person=pen.actor.id, roles=roles, not_by=involved_in(version)
    )
    if refusal is not None:
        raise ReviewNotAllowed(refusal.reason)
    gate = next(gate for gate in policy.every_gate if gate.id == gate_id)
    version.refresh_from_db(fields=["gone_at"])
    if version.gone_at is not None:
        raise WaiverNotPossible(GONE)
    lasting = GateWaiver.objects.filter(
        version=version,
        policy=binding.policy,
        gate_id=gate_id,
        until__gte=until,
        revocation__isnull=True,
    )
    if lasting.exists():
        raise WaiverNotPossible("This gate is waived until then already.")
    waiver = GateWaiver(
        id=pen.new_id(),
        version=version,
        policy=binding.policy,
        gate_id=gate_id,
        person=pen.person,
        role=next(role for role in gate.waivable_by if role in roles),
        granted_at=pen.at,
        until=until,
    )
    waiver.reason_commitment = pen.commit_text(reason)
    waiver.entry = state_registry_event(
        event=GRANTED,
        registered_model=version.registered_model,
        version=version,
        before=None,
        after=None,
        detail={
            "waiver_id": str(waiver.pk),
            "policy": policy.digest,
            "gate": gate.id,
            "waivable_by": list(gate.waivable_by),
            "until": format_time(until),
            "meaning": MEANING,
            **pen.signer(waiver.role),
            "reason_commitment": waiver.reason_commitment,
        },
        actor=pen.actor,
        now=pen.at,
        seal=pen.seal,
    )
    waiver.save(force_insert=True)
    decide_open_promotions(registered_model=version.registered_model, now=pen.now)
    return waiver


@transaction.atomic(durable=True)
def revoke_waiver(*, waiver_id: UUID, reason: str, actor: Actor, now: datetime) -> WaiverRevocation:
    """Take a waiver back before its end: the gate holds again, at once.

    Raises:
        RoleRequired: the actor is neither reviewer nor admin.
        WaiverNotPossible: there is none, it has ended, or it was taken back before.
        InvalidRequest: no reason.
    """
    actor.require_role("take a waiver back", *ROLES)
    reason = _reason(reason, "Give the reason for which the waiver is taken back.")
    waiver = (
        GateWaiver.objects.select_related("version__registered_model", "entry")
        .filter(pk=waiver_id)
        .first()
    )
    if waiver is None:
        raise WaiverNotPossible("There is no such waiver.")
    known = waiver.version.registered_model
    lock_stream(known.uri)
    if WaiverRevocation.objects.filter(waiver=waiver).exists():
        raise WaiverNotPossible("This waiver was taken back already.")
    if waiver.until <= now:
        raise WaiverNotPossible("This waiver has ended, so there is nothing to take back.")
    commitment = commit_text(person_id=UUID(actor.id), text=reason)
    entry = state_registry_event(
        event=REVOKED,
        registered_model=known,
        version=waiver.version,
        before=None,
        after=None,
        detail={
            "waiver_id": str(waiver.pk),
            "waiver": waiver.entry.sha256,
            "gate": waiver.gate_id,
            "reason_commitment": commitment,
        },
        actor=actor,
        now=now,
    )
    revocation = WaiverRevocation.objects.create(
        waiver=waiver,
        person=User.objects.get(pk=actor.id),
        reason_commitment=commitment,
        at=now,
        entry=entry,
    )
    decide_open_promotions(registered_model=known, now=now)
    return revocation


def involved_in(version: ModelVersion) -> frozenset[str]:
    """Return the people who may waive nothing of a version: who asks for it, and who trained it."""
    asked = Promotion.objects.filter(version=version, status__in=sorted(OPEN_STATUSES))
    people = asked.values_list("requester_id", "trainer_id")
    return frozenset(str(person) for pair in people for person in pair)


def _binding(version: ModelVersion) -> PolicyBinding:
    binding = (
        PolicyBinding.objects.select_related("policy")
        .filter(registered_model=version.registered_model_id)
        .first()
    )
    if binding is None:
        raise NoPolicyBound(NO_POLICY)
    return binding


def _reason(reason: str, needed: str) -> str:
    reason = reason.strip()
    if not reason:
        raise InvalidRequest(needed)
    require_plain_text("reason", reason, MAX_REASON)
    return reason
