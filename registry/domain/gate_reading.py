"""What every kind of gate does alike: find its own evidence, and say what it came to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_result import GateResult, PlainValue, plain_text
from registry.domain.policy import Gate, Policy
from registry.domain.readable import Unreadable, find_readable
from registry.domain.words import EvidenceKind, GateOutcome


def own_evidence(
    policy: Policy,
    gate: Gate,
    view: EvidenceView,
    kind: EvidenceKind,
    *,
    as_of: datetime,
    max_age_days: int | None = None,
) -> EvidenceItem | Unreadable:
    """Give the version's own current evidence of a kind, or say why it cannot be judged.

    Args:
        max_age_days: the gate's own, where it has one; the policy's holds all the same.
    """
    return find_readable(
        policy,
        gate,
        kind=kind.value,
        items=view.items,
        subject_digest=view.subject_digest,
        under_way=kind.value in view.under_way,
        as_of=as_of,
        max_age_days=max_age_days,
    )


def unread(gate: Gate, why: Unreadable, *, expected: PlainValue = None) -> GateResult:
    """Give the result of a gate that had nothing to judge."""
    return gate_result(
        gate,
        why.outcome,
        plain_text(why.reason),
        expected=expected,
        evidence_digest=why.evidence_digest,
    )


def gate_result(
    gate: Gate,
    outcome: GateOutcome,
    reason: str,
    *,
    expected: PlainValue = None,
    actual: PlainValue = None,
    evidence_digest: str | None = None,
    details: dict[str, Any] | None = None,
) -> GateResult:
    """Give the result of a gate in its own name."""
    return GateResult(
        id=gate.id,
        kind=gate.kind,
        title=gate.title,
        outcome=outcome,
        reason=reason,
        expected=expected,
        actual=actual,
        evidence_digest=evidence_digest,
        details=details or {},
    )
