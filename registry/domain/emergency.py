"""Emergencies: what moves an alias at once, and what whoever signs has to have read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from accounts.domain.signature import SignatureMethod
from registry.domain.gate_result import GateResult
from registry.domain.promotion import TRANSITIONS, PromotionEvent, PromotionStatus
from registry.domain.words import GateOutcome, ReviewOutcome

if TYPE_CHECKING:
    from registry.domain.evaluation import Decision

# Reviewers and admins: who asks for promotions does not undo them alone.
ROLES: Final = ("reviewer", "admin")


class Emergency(StrEnum):
    """The kinds of emergency."""

    ROLLBACK = "rollback"
    FORWARD = "forward"


# Going forward, to what no gate has let through, takes so many people, each with a passkey.
FORWARD_SIGNATURES: Final = 2
FORWARD_FOR: Final = timedelta(hours=24)


def forward_event(status: PromotionStatus, decision: Decision) -> PromotionEvent | None:
    """Give the event that a decision causes in an emergency forward, whatever its gates say.

    What counts is who signed this evidence with a passkey, by the policy's rules on who may. One
    refusal ends it, and so does what no signature makes good: files that changed, withdrawn data.
    None where it stays where it is.
    """
    signed = {
        one.person
        for one in decision.facts.signed
        if one.signature == SignatureMethod.PASSKEY.value
        and one.person in decision.approvals.approved_by
        and one.evidence_digest == decision.evidence_digest
        and not one.is_dismissed
    }
    if decision.approvals.outcome is ReviewOutcome.REFUSED:
        event = PromotionEvent.REFUSED
    elif decision.evidence.violations:
        event = PromotionEvent.DENIED
    elif len(signed) >= FORWARD_SIGNATURES:
        event = PromotionEvent.APPROVED
    else:
        event = PromotionEvent.REVIEW_OPENED
    return event if (status, event) in TRANSITIONS else None


MEANINGS: Final = {
    Emergency.ROLLBACK: (
        "I put the alias back to its previous version at once, knowing which gates that version "
        "fails today."
    )
}


def not_passed(gates: Sequence[GateResult]) -> tuple[GateResult, ...]:
    """Give the gates that the version would not pass now, those that wait or are waived too."""
    passed = (GateOutcome.SATISFIED, GateOutcome.NOT_APPLICABLE)
    return tuple(gate for gate in gates if gate.outcome not in passed)
