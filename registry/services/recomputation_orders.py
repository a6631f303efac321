"""Ordering recomputations: by people, and by a gate that asks for one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audits.domain.actor import Actor
from lineage.domain.recomputation import RecomputationStatus
from lineage.models import LineageRecord, Recomputation
from lineage.services.recomputations import cancel_recomputation, open_recomputation
from registry.domain.gate_recomputation import judge_recomputation
from registry.domain.policy import Policy
from registry.domain.promotion import DECIDABLE_STATUSES
from registry.domain.words import GateOutcome
from registry.errors import (
    InvalidRequest,
    RecomputationClosed,
    RecomputationNotPossible,
    RecomputationOpen,
)
from registry.models import ModelVersion
from registry.services.decisions import GONE, decide_open_promotions
from registry.services.evaluation import load_view
from registry.services.work import send_recomputation

ROLES = ("engineer", "reviewer", "admin")
MAX_REPEATS = 10


@transaction.atomic(durable=True)
def request_recomputation(
    *,
    version: ModelVersion,
    repeats: int = 1,
    negative_control: bool = True,
    actor: Actor,
    now: datetime,
) -> Recomputation:
    """Order that a version is trained again from its lineage record; a worker takes it up.

    Args:
        repeats: how often it is trained, 1 to 10; more than once shows the run-to-run spread.
        negative_control: train once more with permuted labels, and once on the same data in other
            bytes.

    Raises:
        RoleRequired: the actor is neither engineer, reviewer nor admin.
        RecomputationNotPossible: the version is gone, or has no lineage record yet.
        RecomputationOpen: it is being recomputed already.
        InvalidRequest: `repeats` is out of bounds.
    """
    actor.require_role("order a recomputation", *ROLES)
    if version.gone_at is not None:
        raise RecomputationNotPossible(GONE)
    if not 1 <= repeats <= MAX_REPEATS:
        raise InvalidRequest(f"A version is trained again 1 to {MAX_REPEATS} times.")
    recomputation, is_new = order_recomputation(
        version=version,
        repeats=repeats,
        negative_control=negative_control,
        requested_by=UUID(actor.id),
        actor=actor,
        now=now,
    )
    if not is_new:
        raise RecomputationOpen(
            f"Version {version.version} is being recomputed already: it is "
            f"{recomputation.status}. Wait for its verdict, or cancel it first."
        )
    return recomputation


def order_recomputation(
    *,
    version: ModelVersion,
    repeats: int = 1,
    negative_control: bool = True,
    requested_by: UUID | None,
    actor: Actor,
    now: datetime,
) -> tuple[Recomputation, bool]:
    """Return the open recomputation of a version, and whether it was ordered now.

    Args:
        requested_by: a person's pseudonymous id; None on schedule.

    Raises:
        RecomputationNotPossible: it has no lineage record yet.
    """
    record = LineageRecord.objects.filter(version_uri=version.uri).order_by("-entry_id").first()
    if record is None:
        raise RecomputationNotPossible(
            f"Version {version.version} has no lineage record yet, so there is nothing to train "
            "it from. Wait until its lineage is recorded, and order it again."
        )
    recomputation, is_new = open_recomputation(
        record=record,
        repeats=repeats,
        negative_control=negative_control,
        requested_by=requested_by,
        actor=actor,
        now=now,
    )
    if is_new:
        send_recomputation(recomputation)
    return recomputation, is_new


def order_wanted_recomputation(
    *,
    version: ModelVersion,
    policy: Policy,
    requested_by: UUID | None,
    actor: Actor,
    now: datetime,
) -> None:
    """Order the recomputation that an open promotion needs, where none stands that can be read.

    One that diverged stands: it is for people to order another. So does nothing that was made of
    another lineage record, without the negative control that is asked for, or too long ago.
    """
    gates = policy.recomputation_gates
    waiting = version.promotions.filter(status__in=DECIDABLE_STATUSES)
    if not gates or not waiting.exists():
        return
    view = load_view(version=version, alias="")
    idle = replace(view, under_way=frozenset())
    is_recorded = view.lineage is not None
    if is_recorded and any(
        judge_recomputation(policy, gate, idle, as_of=now).outcome is GateOutcome.INSUFFICIENT
        for gate in gates
    ):
        order_recomputation(
            version=version,
            negative_control=any(gate.negative_control or gate.near_control for gate in gates),
            requested_by=requested_by,
            actor=actor,
            now=now,
        )


@transaction.atomic(durable=True)
def stop_recomputation(*, recomputation_id: UUID, actor: Actor, now: datetime) -> Recomputation:
    """Cancel an open recomputation; promotions that waited for it are decided without.

    Raises:
        RoleRequired: the actor is neither engineer, reviewer nor admin.
        RecomputationClosed: it has ended.
    """
    actor.require_role("cancel a recomputation", *ROLES)
    if not cancel_recomputation(recomputation_id=recomputation_id, actor=actor, now=now):
        status = Recomputation.objects.values_list("status", flat=True).get(pk=recomputation_id)
        raise RecomputationClosed(f"This recomputation has ended: it is {status}.")
    recomputation = Recomputation.objects.select_related("record").get(pk=recomputation_id)
    version = ModelVersion.objects.select_related("registered_model").get(
        uri=recomputation.version_uri
    )
    decide_open_promotions(registered_model=version.registered_model, now=now)
    return recomputation


def send_waiting(*, limit: int) -> None:
    """Send the tasks of those that have waited longest; one that is sent twice is done once."""
    waiting = Recomputation.objects.filter(status=RecomputationStatus.QUEUED)
    for recomputation in waiting.order_by("created_at")[:limit]:
        send_recomputation(recomputation)
