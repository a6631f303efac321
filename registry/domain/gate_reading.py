"""What every kind of gate does alike: find its own evidence, and say what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_result import GateResult, PlainValue, plain_text
from registry.domain.policy import Policy
from registry.domain.policy_gates import EvidenceGate, Gate, reads_beyond_kind
from registry.domain.readable import Unreadable, find_readable
from registry.domain.words import GateOutcome


def own_evidence(
    policy: Policy,
    gate: EvidenceGate,
    view: EvidenceView,
    kind: str,
    *,
    as_of: datetime,
) -> EvidenceItem | Unreadable:
    """Give the version's own current evidence of a kind, or say why it cannot be judged."""
    return find_readable(
        policy,
        gate,
        kind=kind,
        items=view.items,
        subject_digest=view.subject_digest,
        under_way=kind in view.under_way,
        as_of=as_of,
    )


def own_finding(
    policy: Policy,
    gate: EvidenceGate,
    view: EvidenceView,
    kind: str,
    *,
    as_of: datetime,
) -> EvidenceItem | Unreadable:
    """Give `own_evidence`, but not where its recorder found too little to say."""
    item = own_evidence(policy, gate, view, kind, as_of=as_of)
    if isinstance(item, Unreadable):
        return item
    measurements: object = item.measurements
    if not isinstance(measurements, Mapping):
        return unreliable(item, "cannot be relied on: the measurements are no mapping")
    if item.conclusion == "insufficient":
        why = plain_text("; ".join(item.reasons)).rstrip(".") or "no reason was recorded"
        return unreliable(item, f"is recorded as insufficient: {why}")
    return item


def unreliable(item: EvidenceItem, why: str) -> Unreadable:
    """Say that evidence which is there shows nothing: it `why`, without a stop."""
    noun = item.kind.replace("_", " ")
    reason = f"{noun[:1].upper()}{noun[1:]} evidence {why}."
    return Unreadable(GateOutcome.INSUFFICIENT, plain_text(reason), item.digest)


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
    members: tuple[GateResult, ...] = (),
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
        reads=reads_beyond_kind(gate),
        members=members,
    )
