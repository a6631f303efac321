"""Judge a gate: each kind reads its evidence and compares by its own bounds."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from registry.domain.evidence import EvidenceView
from registry.domain.gate_bias import judge_bias
from registry.domain.gate_lineage import judge_lineage
from registry.domain.gate_metrics import judge_metric_floor, judge_not_worse
from registry.domain.gate_reading import own_evidence, unread
from registry.domain.gate_recomputation import judge_recomputation
from registry.domain.gate_result import GateResult
from registry.domain.policy import (
    BiasGate,
    Gate,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
    Policy,
    RecomputationGate,
)
from registry.domain.readable import Unreadable
from registry.domain.words import EvidenceKind


def judge_gate(policy: Policy, gate: Gate, view: EvidenceView, *, as_of: datetime) -> GateResult:
    """Judge one gate on a view. Never raises, whatever the evidence holds."""
    match gate:
        case LineageGate():
            return judge_lineage(gate, view)
        case BiasGate():
            readable = own_evidence(policy, gate, view, EvidenceKind.BIAS, as_of=as_of)
            if isinstance(readable, Unreadable):
                return unread(gate, readable, expected=float(gate.criteria.impact_ratio))
            return judge_bias(gate, readable)
        case MetricFloorGate():
            return judge_metric_floor(policy, gate, view, as_of=as_of)
        case NotWorseThanChampionGate():
            return judge_not_worse(policy, gate, view, as_of=as_of)
        case RecomputationGate():
            return judge_recomputation(policy, gate, view, as_of=as_of)
        case _:
            assert_never(gate)
