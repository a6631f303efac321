"""The published audit gate: the audit was made, and its tables are those that its counts give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audits.domain.bias import judge
from audits.domain.counts import MalformedCounts
from audits.domain.ll144 import publication
from audits.domain.measurements import counts_from_json
from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.gate_reading import gate_result, own_evidence, unread, unreliable
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.measured import Malformed, mapping_in, mappings_in, named
from registry.domain.policy import Policy
from registry.domain.policy_gates import PublishedAuditGate
from registry.domain.readable import Unreadable
from registry.domain.words import EvidenceKind, GateOutcome


def judge_published_audit(
    policy: Policy, gate: PublishedAuditGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge whether the tables are there and are made of the counts beside them. Never raises.

    The tables are made again, by the gate's own criteria, and every number must be the same.
    `expected` and `actual` count tables.
    """
    expected = len(gate.tables)
    item = own_evidence(policy, gate, view, EvidenceKind.BIAS, as_of=as_of)
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    try:
        made, stated = _made_again(gate, item), _stated(item)
    except Malformed as error:
        return unread(gate, unreliable(item, f"cannot be relied on: {error}"), expected=expected)
    absent = [name for name in gate.tables if name not in stated]
    other = [name for name in gate.tables if name in stated and stated[name] != made[name]]
    if absent or other:
        reason = (
            f"The audit has no table by {named(absent)}."
            if absent
            else f"The table by {named(other)} is not the one that the counts give."
        )
        outcome = GateOutcome.INSUFFICIENT
    else:
        outcome = GateOutcome.SATISFIED
        reason = f"The audit was made, with its tables by {', '.join(gate.tables)}."
    return gate_result(
        gate,
        outcome,
        plain_text(reason),
        expected=expected,
        actual=expected - len(absent) - len(other),
        evidence_digest=item.digest,
        details={
            "tables": {
                plain_text(name): {
                    "categories": len(made[name]["categories"]),
                    "unknown": made[name]["unknown"],
                }
                for name in gate.tables
            }
        },
    )


def _made_again(gate: PublishedAuditGate, item: EvidenceItem) -> dict[str, dict[str, Any]]:
    counts = counts_from_json(item.measurements)
    if isinstance(counts, MalformedCounts):
        raise Malformed("; ".join(counts.reasons))
    judgement = judge(counts, gate.criteria)
    published: Any = publication(judgement)
    tables = {str(table["name"]): table for table in published["tables"]}
    uncounted = [name for name in gate.tables if name not in tables]
    if uncounted:
        why = "; ".join(judgement.reasons) or f"{named(uncounted)} was not counted"
        raise Malformed(why)
    return tables


def _stated(item: EvidenceItem) -> dict[str, Mapping[str, Any]]:
    published = mapping_in(item.measurements, "ll144")
    return {str(table.get("name")): table for table in mappings_in(published, "tables")}
