"""The log of one promotion, told in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from audits.web.names import actor_words
from registry.domain.promotion import PromotionEvent
from registry.selectors.promotions import Happening
from registry.templatetags.display import look_of

DENIED = PromotionEvent.DENIED.value
# event: the look that it borrows, and its words
_TOLD: Mapping[str, tuple[str, str]] = {
    "promotion.requested": ("running", "Promotion requested"),
    "promotion.evidence_awaited": ("evaluating", "Waiting for evidence"),
    "promotion.review_opened": ("in_review", "No gate stands in the way: opened for review"),
    "promotion.decided": ("pending", "Decided"),
    "promotion.denied": ("denied", "Denied by the policy"),
    "promotion.refused": ("refused", "Closed by a refusal"),
    "promotion.emergency_rollback": ("rollback_used", "Put back in an emergency, by one signature"),
    "promotion.emergency_requested": ("rollback_used", "Requested as an emergency"),
    "promotion.approved": ("approved", "All approvals signed"),
    "promotion.execution_started": ("executing", "Execution started"),
    "promotion.executed": ("executed", "Alias moved in MLflow"),
    "promotion.failed": ("failed", "Execution failed"),
    "promotion.withdrawn": ("withdrawn", "Withdrawn"),
    "approval.given": ("approve", "Approved"),
    "approval.refused": ("refuse", "Refused"),
    "approval.changes_requested": ("request_changes", "Changes asked for"),
    "promotion.reviewers_assigned": ("in_review", "Reviewers asked"),
    "finding.raised": ("request_changes", "Approval under a condition: finding raised"),
    "finding.answered": ("comment", "Finding answered"),
    "finding.closed": ("approve", "Finding closed"),
    "promotion.commented": ("comment", "Comment"),
    "approval.dismissed": ("dismissed", "Approval dismissed: the evidence changed"),
    "rollback.requested": ("running", "Rollback grant asked for"),
    "rollback.approved": ("approve", "Signed"),
    "rollback.refused": ("refuse", "Refused"),
    "rollback.handed_out": ("rollback_handed_out", "Token handed out"),
    "rollback.revoked": ("rollback_revoked", "Revoked"),
    "rollback.used": ("rollback_used", "Used in MLflow, found by the mirror"),
    "rollback.accepted": ("rollback_accepted", "Use accepted"),
    "rollback.rejected": ("rollback_rejected", "Use rejected: the move is a violation"),
    "alias.set": ("champion", "Alias set, seen in MLflow"),
    "alias.moved": ("champion", "Alias moved, seen in MLflow"),
    "alias.removed": ("violation", "Alias removed, seen in MLflow"),
}


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One line of a timeline."""

    tone: str
    icon: str
    title: str
    at: datetime
    who: str
    meaning: str
    why: str
    text: str
    is_text_erased: bool
    entry_url: str
    leaf_index: int | None


def timeline(happenings: Sequence[Happening], names: Mapping[str, str]) -> list[TimelineItem]:
    """Tell what happened, oldest first. `names` are printed names by pseudonymous id."""
    return [_item(happening, names) for happening in happenings]


def _item(happening: Happening, names: Mapping[str, str]) -> TimelineItem:
    borrowed, title = _TOLD.get(happening.event, ("", happening.event))
    if happening.event == "promotion.decided":
        title = _decided(happening.predicate)
    look = look_of(borrowed)
    approval = happening.approval
    who = actor_words(happening.actor_kind, happening.actor_id, dict(names))
    if approval is not None:
        who = f"{approval.person.printed_name}, {approval.role}"
    return TimelineItem(
        tone=f"tone-{look.tone}",
        icon=look.icon,
        title=title,
        at=happening.at,
        who=who,
        meaning=approval.meaning if approval else _meaning(happening.predicate),
        why=_first_reason(happening.predicate) if happening.event == DENIED else "",
        text=happening.text,
        is_text_erased=happening.is_text_erased,
        entry_url=reverse("audits:log-entry", args=[happening.sha256]),
        leaf_index=happening.leaf_index,
    )


def _meaning(predicate: Mapping[str, Any]) -> str:
    detail = predicate.get("detail")
    return str(detail.get("meaning", "")) if isinstance(detail, Mapping) else ""


def _first_reason(predicate: Mapping[str, Any]) -> str:
    decision = predicate.get("decision")
    reasons = decision.get("reasons") if isinstance(decision, Mapping) else None
    return str(reasons[0]) if isinstance(reasons, list) and reasons else ""


def _decided(predicate: Mapping[str, Any]) -> str:
    decision = predicate.get("decision")
    found = decision if isinstance(decision, Mapping) else {}
    approvals = found.get("approvals")
    if isinstance(approvals, Mapping):
        given, required = approvals.get("given"), approvals.get("required")
        return f"Decided: {found.get('verdict')}, {given} of {required} approvals"
    return f"Decided: {found.get('verdict', 'pending')}"
