"""Judge a gate: each kind reads its evidence and compares by its own bounds."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from registry.domain.evidence import EvidenceView
from registry.domain.gate_artifact_safety import judge_artifact_safety
from registry.domain.gate_attestation import judge_attestation
from registry.domain.gate_bias import judge_bias
from registry.domain.gate_documentation import judge_documentation
from registry.domain.gate_group_metric import judge_group_metric
from registry.domain.gate_lineage import judge_lineage
from registry.domain.gate_metrics import judge_metric_floor, judge_not_worse
from registry.domain.gate_published import judge_published_audit
from registry.domain.gate_reading import own_evidence, unread
from registry.domain.gate_recomputation import judge_recomputation
from registry.domain.gate_reported import judge_reported
from registry.domain.gate_result import GateResult
from registry.domain.gate_vulnerabilities import judge_vulnerabilities
from registry.domain.policy import Policy
from registry.domain.policy_findings import (
    ArtifactSafetyGate,
    AttestationGate,
    DocumentationGate,
    GroupMetricGate,
    ReportedEvidenceGate,
    VulnerabilitiesGate,
)
from registry.domain.policy_gates import (
    BiasGate,
    EvidenceGate,
    LineageGate,
    MetricFloorGate,
    NotWorseThanChampionGate,
    PublishedAuditGate,
    RecomputationGate,
)
from registry.domain.readable import Unreadable
from registry.domain.words import EvidenceKind


def judge_gate(
    policy: Policy, gate: LineageGate | EvidenceGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
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
        case PublishedAuditGate():
            return judge_published_audit(policy, gate, view, as_of=as_of)
        case GroupMetricGate():
            return judge_group_metric(policy, gate, view, as_of=as_of)
        case ArtifactSafetyGate():
            return judge_artifact_safety(policy, gate, view, as_of=as_of)
        case VulnerabilitiesGate():
            return judge_vulnerabilities(policy, gate, view, as_of=as_of)
        case DocumentationGate():
            return judge_documentation(policy, gate, view, as_of=as_of)
        case AttestationGate():
            return judge_attestation(policy, gate, view, as_of=as_of)
        case ReportedEvidenceGate():
            return judge_reported(policy, gate, view, as_of=as_of)
        case _:
            assert_never(gate)
