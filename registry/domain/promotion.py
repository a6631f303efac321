"""The promotion workflow: its statuses and the only moves between them.

    evaluating ⇄ in_review ⇄ approved → executing → executed | failed
         └──────────┴───────────┴→ denied | refused | withdrawn

Each event's value is the log event (dotted past tense) that the move is recorded as.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from registry.domain.errors import RegistryDomainError
from registry.domain.words import GateOutcome, ReviewOutcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.domain.evaluation import Decision


class PromotionStatus(StrEnum):
    """Where a promotion stands."""

    EVALUATING = "evaluating"
    IN_REVIEW = "in_review"
    DENIED = "denied"
    REFUSED = "refused"
    APPROVED = "approved"
    EXECUTING = "executing"
    EXECUTED = "executed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        """Tell whether anything can still happen; at most one open promotion per version, alias."""
        return self in OPEN_STATUSES


class PromotionEvent(StrEnum):
    """What moves a promotion from one status to the next."""

    EVIDENCE_AWAITED = "promotion.evidence_awaited"
    REVIEW_OPENED = "promotion.review_opened"
    DENIED = "promotion.denied"
    REFUSED = "promotion.refused"
    APPROVED = "promotion.approved"
    EXECUTION_STARTED = "promotion.execution_started"
    EXECUTED = "promotion.executed"
    FAILED = "promotion.failed"
    WITHDRAWN = "promotion.withdrawn"


REQUESTED_EVENT = "promotion.requested"
"""Recorded when a promotion comes into being, which is no move: it starts at INITIAL_STATUS."""

EMERGENCY_EVENT = "promotion.emergency_requested"
"""Recorded in its place where an emergency is to move the alias whatever the gates say."""

INITIAL_STATUS = PromotionStatus.EVALUATING

# A decision can still change these: evidence, approvals and refusals are read again.
DECIDABLE_STATUSES = frozenset(
    {PromotionStatus.EVALUATING, PromotionStatus.IN_REVIEW, PromotionStatus.APPROVED}
)
OPEN_STATUSES = DECIDABLE_STATUSES | {PromotionStatus.EXECUTING}
TERMINAL_STATUSES = frozenset(PromotionStatus) - OPEN_STATUSES


def _transitions() -> Mapping[tuple[PromotionStatus, PromotionEvent], PromotionStatus]:
    table: dict[tuple[PromotionStatus, PromotionEvent], PromotionStatus] = {}
    for status in DECIDABLE_STATUSES:
        table[status, PromotionEvent.DENIED] = PromotionStatus.DENIED
        table[status, PromotionEvent.REFUSED] = PromotionStatus.REFUSED
        table[status, PromotionEvent.WITHDRAWN] = PromotionStatus.WITHDRAWN
        if status is not PromotionStatus.EVALUATING:
            table[status, PromotionEvent.EVIDENCE_AWAITED] = PromotionStatus.EVALUATING
        if status is not PromotionStatus.IN_REVIEW:
            table[status, PromotionEvent.REVIEW_OPENED] = PromotionStatus.IN_REVIEW
        if status is not PromotionStatus.APPROVED:
            table[status, PromotionEvent.APPROVED] = PromotionStatus.APPROVED
    # Approved and executing are two steps, because no promotion is executed before its
    # approvals stand under a signed checkpoint (design §4).
    table[PromotionStatus.APPROVED, PromotionEvent.EXECUTION_STARTED] = PromotionStatus.EXECUTING
    table[PromotionStatus.EXECUTING, PromotionEvent.EXECUTED] = PromotionStatus.EXECUTED
    table[PromotionStatus.EXECUTING, PromotionEvent.FAILED] = PromotionStatus.FAILED
    return MappingProxyType(table)


TRANSITIONS = _transitions()


class IllegalTransition(RegistryDomainError):
    """That event cannot happen to a promotion in that status."""

    code: ClassVar[str] = "illegal_transition"

    def __init__(self, status: PromotionStatus, event: PromotionEvent) -> None:
        super().__init__(f"A promotion that is {status.value} cannot become {event.value}.")
        self.status = status
        self.event = event


def next_status(status: PromotionStatus, event: PromotionEvent) -> PromotionStatus:
    """Give the status that follows.

    Raises:
        IllegalTransition: the table has no such move; from a terminal status there is none.

    """
    following = TRANSITIONS.get((status, event))
    if following is None:
        raise IllegalTransition(status, event)
    return following


def event_for_decision(status: PromotionStatus, decision: Decision) -> PromotionEvent | None:
    """Give the event that a fresh decision causes; None when the promotion stays where it is.

    While executing, or after the end, no decision moves anything: None.
    """
    if status not in DECIDABLE_STATUSES:
        return None
    event = _event_of(decision)
    return event if (status, event) in TRANSITIONS else None


def _event_of(decision: Decision) -> PromotionEvent:
    if decision.approvals.outcome is ReviewOutcome.REFUSED:
        return PromotionEvent.REFUSED
    if decision.verdict is Verdict.DENY:
        return PromotionEvent.DENIED
    if decision.verdict is Verdict.ALLOW:
        return PromotionEvent.APPROVED
    if any(gate.outcome is GateOutcome.PENDING for gate in decision.gates):
        return PromotionEvent.EVIDENCE_AWAITED
    return PromotionEvent.REVIEW_OPENED
