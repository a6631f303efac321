"""The documentation gate: every field that is asked for was written.

Evidence of kind ``documentation`` records ``fields``: by name the ``length`` of what was written,
in characters without the blanks around it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from registry.domain.evidence import EvidenceView
from registry.domain.gate_reading import gate_result, own_finding, unread, unreliable
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.measured import Malformed, count_in, mapping_in
from registry.domain.policy import Policy
from registry.domain.policy_findings import DocumentationGate
from registry.domain.readable import Unreadable
from registry.domain.words import EvidenceKind, GateOutcome

_ABSENT: Final = {"length": 0}


def judge_documentation(
    policy: Policy, gate: DocumentationGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge whether the version's documentation is complete. Never raises.

    `expected` and `actual` count fields that are as long as the policy asks.
    """
    expected = len(gate.requires)
    item = own_finding(policy, gate, view, EvidenceKind.DOCUMENTATION, as_of=as_of)
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    try:
        fields = mapping_in(item.measurements, "fields")
        lengths = {
            name: count_in(mapping_in({**_missing(gate), **fields}, name), "length")
            for name in gate.requires
        }
    except Malformed as error:
        return unread(gate, unreliable(item, f"cannot be relied on: {error}"), expected=expected)
    short = [name for name in gate.requires if lengths[name] < gate.min_length]
    if short:
        absent = [
            f"{name.replace('_', ' ')} ({lengths[name]} of {gate.min_length} characters)"
            for name in short
        ]
        reason = f"The documentation is not complete: {', '.join(absent)}."
    else:
        reason = "Every field of the documentation that the policy asks for is there."
    return gate_result(
        gate,
        GateOutcome.UNSATISFIED if short else GateOutcome.SATISFIED,
        plain_text(reason),
        expected=expected,
        actual=expected - len(short),
        evidence_digest=item.digest,
        details={"min_length": gate.min_length, "lengths": lengths},
    )


def _missing(gate: DocumentationGate) -> dict[str, dict[str, int]]:
    return dict.fromkeys(gate.requires, _ABSENT)
