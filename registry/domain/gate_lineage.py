"""The lineage gate: every named leg is graded at least as the policy asks."""

from __future__ import annotations

from registry.domain.evidence import EvidenceView, LegFact
from registry.domain.gate_reading import gate_result, unread
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.policy_gates import LineageGate
from registry.domain.readable import Unreadable
from registry.domain.words import GateOutcome, Grade

LINEAGE = "lineage"
"""The word by which a view's `under_way` says that the lineage record is being made."""


def judge_lineage(gate: LineageGate, view: EvidenceView) -> GateResult:
    """Judge the lineage record of a version by the grades of its legs. Never raises.

    `expected` and `actual` count legs that are graded as the policy asks.
    """
    lineage = view.lineage
    if lineage is None or lineage.subject_digest != view.subject_digest:
        if LINEAGE in view.under_way:
            waiting = Unreadable(GateOutcome.PENDING, "The lineage record is being made now.")
            return unread(gate, waiting)
        reason = "There is no lineage record."
        if lineage is not None:
            reason = "The lineage record is about other artifact bytes than the version has now."
        digest = None if lineage is None else lineage.digest
        return unread(gate, Unreadable(GateOutcome.INSUFFICIENT, reason, digest))
    if lineage.origin not in gate.accepts:
        reason = f"The lineage record is {lineage.origin.value}, which this gate does not accept."
        return unread(gate, Unreadable(GateOutcome.INSUFFICIENT, reason, lineage.digest))
    facts = [(required, lineage.find_leg(required.leg)) for required in gate.legs]
    short = [
        (required, fact)
        for required, fact in facts
        # The second condition is for a policy value built by hand: missing never passes.
        if fact.grade.rank < required.at_least.rank or fact.grade is Grade.MISSING
    ]
    details = {
        "legs": {
            fact.leg.value: {
                "grade": fact.grade.value,
                "at_least": required.at_least.value,
                "reason": plain_text(fact.reason),
            }
            for required, fact in facts
        }
    }
    if not short:
        return gate_result(
            gate,
            GateOutcome.SATISFIED,
            "Every leg of the lineage is graded as the policy asks.",
            expected=len(facts),
            actual=len(facts),
            evidence_digest=lineage.digest,
            details=details,
        )
    return gate_result(
        gate,
        GateOutcome.UNSATISFIED,
        _lineage_reason([fact for _, fact in short]),
        expected=len(facts),
        actual=len(facts) - len(short),
        evidence_digest=lineage.digest,
        details=details,
    )


def _lineage_reason(short: list[LegFact]) -> str:
    named = "; ".join(
        f"{fact.leg.value} is {fact.grade.value} ({plain_text(fact.reason).rstrip('.')})"
        for fact in short
    )
    return f"The lineage is not complete: {named}."
