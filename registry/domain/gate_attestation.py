"""The attestation gate: somebody in a named role signed a named statement, and it has not ended.

Evidence of kind ``attestation:<name>`` records ``statement`` (what was attested, by its
commitment), ``role`` (in which it was signed), ``person`` (pseudonymous) and ``expires`` (an
RFC 3339 moment, excluded, or null). Its origin is ``computed``: Muniment itself saw who signed.
"""

from __future__ import annotations

from datetime import datetime

from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_reading import gate_result, own_finding, unread, unreliable
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.measured import Malformed, text_in
from registry.domain.moments import is_aware
from registry.domain.policy import Policy
from registry.domain.policy_findings import AttestationGate
from registry.domain.readable import Unreadable
from registry.domain.words import GateOutcome


def judge_attestation(
    policy: Policy, gate: AttestationGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge an attestation by who signed it and until when it holds. Never raises.

    One whose signer said that it does not hold fails. One signed in another role, or that has
    ended, is insufficient: somebody else may still sign, or sign again.
    """
    expected = " or ".join(gate.by_role)
    item = own_finding(policy, gate, view, gate.evidence_kind, as_of=as_of)
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    try:
        role = text_in(item.measurements, "role", blank=False)
        text_in(item.measurements, "statement", blank=False)
        text_in(item.measurements, "person", blank=False)
        expires = _expires(item)
    except Malformed as error:
        return unread(gate, unreliable(item, f"cannot be relied on: {error}"), expected=expected)
    if item.conclusion != "pass":
        outcome, reason = GateOutcome.UNSATISFIED, f"{gate.name} was attested not to hold."
    elif role not in gate.by_role:
        outcome = GateOutcome.INSUFFICIENT
        reason = f"{gate.name} was attested by {role}, and the policy asks for {expected}."
    elif expires is not None and expires <= as_of:
        outcome, reason = GateOutcome.INSUFFICIENT, f"The attestation of {gate.name} has ended."
    else:
        outcome, reason = GateOutcome.SATISFIED, f"{gate.name} was attested by {role}."
    return gate_result(
        gate,
        outcome,
        plain_text(reason),
        expected=expected,
        actual=plain_text(role),
        evidence_digest=item.digest,
        details={
            "name": gate.name,
            "expires": None if expires is None else expires.isoformat(),
        },
    )


def _expires(item: EvidenceItem) -> datetime | None:
    if "expires" not in item.measurements:
        raise Malformed("expires is missing")
    if item.measurements["expires"] is None:
        return None
    try:
        moment = datetime.fromisoformat(text_in(item.measurements, "expires"))
    except ValueError:
        raise Malformed("expires is no moment") from None
    if not is_aware(moment):
        raise Malformed("expires has no timezone")
    return moment
