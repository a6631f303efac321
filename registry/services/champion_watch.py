"""What time undoes: waivers that ended and approvals that are due again.

Nothing is demoted: open promotions are decided again, and champions alarm.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q

from audits.domain.actor import GATE
from audits.services.alarms import REGISTRY_CHAMPION_LAPSED, clear_alarm, raise_alarm
from registry.domain.approvals import EXPIRED
from registry.domain.emergency import FORWARD_FOR, Emergency
from registry.domain.findings import overdue_reasons
from registry.domain.gate_result import plain_text
from registry.domain.promotion import DECIDABLE_STATUSES
from registry.models import GateWaiver, ModelAlias, ModelVersion, Promotion, ReviewFinding
from registry.services.aliases import governed_aliases
from registry.services.data_watch import served_versions
from registry.services.decisions import decide_promotion
from registry.services.emergency_state import last_executed
from registry.services.evaluation import Evaluation, evaluate_version

# The alarm names so many.
_NAMED: Final = 5


def decide_lapsed_promotions(*, now: datetime) -> None:
    """Decide again what is open and of which a waiver has ended, or a finding is overdue."""
    ended = GateWaiver.objects.filter(until__lte=now, revocation__isnull=True)
    overdue = ReviewFinding.objects.filter(due_at__lte=now, closure__isnull=True)
    for promotion in Promotion.objects.filter(
        Q(version__in=ended.values("version")) | Q(version__in=overdue.values("version")),
        status__in=sorted(DECIDABLE_STATUSES),
    ).order_by("pk"):
        decide_promotion(promotion_id=promotion.pk, actor=GATE, now=now)


def refresh_lapsed_alarm(*, now: datetime) -> None:
    """Raise, change or clear the alarm about champions that hold their alias by what has ended."""
    lapsed = [
        f"{version.registered_model.name} version {version.version} ({why})"
        for version in served_versions()
        for why in _why_lapsed(version, now)
    ]
    if not lapsed:
        clear_alarm(REGISTRY_CHAMPION_LAPSED, now=now)
        return
    named = "; ".join(plain_text(one) for one in lapsed[:_NAMED])
    more = f"; and {len(lapsed) - _NAMED} more" if len(lapsed) > _NAMED else ""
    raise_alarm(
        REGISTRY_CHAMPION_LAPSED,
        f"What a champion was let through by has ended: {named}{more}. It keeps its alias. Waive "
        "the gate again, request its review where that is what is overdue, close the finding, or "
        "promote another version.",
        now=now,
    )


def _why_lapsed(version: ModelVersion, now: datetime) -> list[str]:
    found = []
    for alias in _governed_aliases_of(version):
        evaluation = evaluate_version(version=version, alias=alias, as_of=now)
        found += [
            f"{alias}: {why}"
            for why in (
                *_ended(evaluation, now),
                *_overdue(evaluation),
                *_emergency_over(version, alias, now),
            )
        ]
    return found


def _ended(evaluation: Evaluation, now: datetime) -> list[str]:
    """Name the gates that a waiver held open until it ended, and that do not hold by themselves."""
    if evaluation.decision is None:
        return []
    over = {
        waiver.gate_id
        for waiver in GateWaiver.objects.filter(
            version=evaluation.version, granted_at__lte=now
        ).select_related("revocation")
        if waiver.until <= now or hasattr(waiver, "revocation")
    }
    return [
        f"the waiver of gate {gate.id} has ended"
        for gate in evaluation.decision.gates
        if gate.outcome.blocks and gate.id in over
    ]


def _overdue(evaluation: Evaluation) -> list[str]:
    if evaluation.decision is None:
        return []
    reviewed = evaluation.decision.approvals
    is_overdue = reviewed.missing > 0 and any(one.code == EXPIRED for one in reviewed.disregarded)
    found = ["review overdue"] if is_overdue else []
    if overdue_reasons(evaluation.view.findings, evaluation.decision.as_of):
        found.append("a finding is overdue")
    return found


def _emergency_over(version: ModelVersion, alias: str, now: datetime) -> list[str]:
    promotion = last_executed(version, alias)
    is_over = (
        promotion is not None
        and promotion.emergency == Emergency.FORWARD
        and now >= promotion.updated_at + FORWARD_FOR
    )
    return ["promoted in an emergency that has ended, review overdue"] if is_over else []


def _governed_aliases_of(version: ModelVersion) -> list[str]:
    held = ModelAlias.objects.filter(version=version).values_list("alias", flat=True)
    return sorted({alias.lower() for alias in held} & set(governed_aliases()))
