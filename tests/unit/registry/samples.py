"""Evidence, approvals and policies to judge, made as the product makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from audits.domain.bias import (
    AttributeCounts,
    BiasCriteria,
    Counts,
    GroupCounts,
    judge,
)
from audits.domain.measurements import to_json
from registry.domain.approvals import Approval, ApprovalFacts
from registry.domain.evaluation import Decision, evaluate
from registry.domain.evidence import (
    ChampionFacts,
    EvidenceItem,
    EvidenceView,
    LegFact,
    LineageFacts,
    evidence_digest,
)
from registry.domain.policy import Policy
from registry.domain.policy_parser import parse_policy
from registry.domain.words import Grade, Leg
from tests.policies import lenient_credit_decision

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
SUBJECT = f"dirHash:{'a' * 64}"
OTHER_SUBJECT = f"dirHash:{'b' * 64}"
VERSION = "muniment://default/models/loan-approval@1/versions/2"
CHAMPION = "muniment://default/models/loan-approval@1/versions/1"
ROWS = "0" * 64
CREDIT_DECISION = Path(__file__).parents[3] / "policies" / "credit-decision.yaml"


@cache
def credit_decision() -> Policy:
    """Parse the shipped policy, as it accepts what the samples report."""
    return parse_policy(lenient_credit_decision().encode())


def bias_measurements(*, black_selected: int) -> dict[str, Any]:
    """Give measurements of 995 people; 75 Black people selected is v1's number, 91 is v2's."""
    race = AttributeCounts(
        "race",
        (
            GroupCounts("Black", 99, black_selected),
            GroupCounts("Hispanic", 55, 49),
            GroupCounts("White", 841, 823),
        ),
    )
    selected = black_selected + 49 + 823
    women = 165
    sex = AttributeCounts(
        "sex",
        (
            GroupCounts("Female", 187, women),
            GroupCounts("Male", 800, selected - women - 7),
            GroupCounts("unknown", 8, 7),
        ),
    )
    both = AttributeCounts(
        "race × sex",
        (GroupCounts("White × Male", 700, 690), GroupCounts("unknown", 295, selected - 690)),
    )
    counts = Counts(n=995, favourable=1, attributes=(race, sex, both))
    return to_json(judge(counts, BiasCriteria()))


def performance_measurements(
    *, tp: int = 870, fp: int = 60, tn: int = 42, fn: int = 23, rows_digest: str = ROWS
) -> dict[str, Any]:
    """Give measurements of 995 rows of which 893 are approvals, as `audits` records them."""
    n = tp + fp + tn + fn
    balanced = None if tp + fn == 0 or tn + fp == 0 else (tp / (tp + fn) + tn / (tn + fp)) / 2
    return {
        "n": n,
        "accuracy": (tp + tn) / n if n else None,
        "balanced_accuracy": balanced,
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
        "rows_digest": rows_digest,
    }


def bias_item(measurements: Mapping[str, Any] | None = None, **changes: Any) -> EvidenceItem:
    """Give bias evidence that passes, or what `changes` makes of it."""
    item = EvidenceItem(
        kind="bias",
        origin="reported",
        conclusion="pass",
        subject_digest=SUBJECT,
        measurements=bias_measurements(black_selected=91) if measurements is None else measurements,
        produced_at=NOW - timedelta(days=1),
        digest="1" * 64,
    )
    return replace(item, **changes)


def performance_item(measurements: Mapping[str, Any] | None = None, **changes: Any) -> EvidenceItem:
    """Give performance evidence that passes, or what `changes` makes of it."""
    item = EvidenceItem(
        kind="performance",
        origin="reported",
        conclusion="pass",
        subject_digest=SUBJECT,
        measurements=performance_measurements() if measurements is None else measurements,
        produced_at=NOW - timedelta(days=1),
        digest="2" * 64,
    )
    return replace(item, **changes)


def lineage_facts(**grades: Grade) -> LineageFacts:
    """Give a lineage with every leg recorded, but for those named."""
    return LineageFacts(
        digest="3" * 64,
        subject_digest=SUBJECT,
        legs=tuple(
            LegFact(leg, grades.get(leg.value, Grade.RECORDED), "As the run says.") for leg in Leg
        ),
    )


def champion_facts(**changes: Any) -> ChampionFacts:
    """Give a champion whose accuracy is 912 of 995."""
    champion = ChampionFacts(
        version_uri=CHAMPION,
        subject_digest=OTHER_SUBJECT,
        items=(
            performance_item(
                performance_measurements(tp=870, fp=60, tn=42, fn=23),
                subject_digest=OTHER_SUBJECT,
                digest="4" * 64,
            ),
        ),
    )
    return replace(champion, **changes)


def evidence_view(**changes: Any) -> EvidenceView:
    """Give a view in which every gate of `credit-decision` is satisfied or not applicable."""
    values: dict[str, Any] = {
        "version_uri": VERSION,
        "alias": "champion",
        "subject_digest": SUBJECT,
        "lineage": lineage_facts(),
        "items": (bias_item(), performance_item()),
        "under_way": frozenset(),
        "champion": None,
        "alias_ever_held": changes.get("champion") is not None,
        **changes,
    }
    return EvidenceView(**values)


def signed(
    person: str, view: EvidenceView, *, policy: Policy | None = None, **changes: Any
) -> Approval:
    """Give a reviewer's approval of exactly this view, or what `changes` makes of it."""
    policy = policy or credit_decision()
    digest = evidence_digest(policy.digest, view.alias, view, policy.evidence_kinds)
    approval = Approval(
        person=person,
        role="reviewer",
        verdict="approve",
        evidence_digest=digest,
        signed_at=NOW - timedelta(minutes=5),
        digest=f"approval-of-{person}",
    )
    return replace(approval, **changes)


def approved(view: EvidenceView, *, policy: Policy | None = None) -> ApprovalFacts:
    """Give two good approvals of this view, asked for by somebody else."""
    return ApprovalFacts(
        requester="engineer",
        trainer="engineer",
        signed=(signed("ada", view, policy=policy), signed("grace", view, policy=policy)),
    )


def decide(view: EvidenceView, facts: ApprovalFacts | None = None) -> Decision:
    """Evaluate `credit-decision`, by default without any approval."""
    return evaluate(credit_decision(), view, facts or ApprovalFacts(), (), NOW)


def outcomes(decision: Decision) -> dict[str, str]:
    """Give each gate's outcome by its id."""
    return {gate.id: gate.outcome.value for gate in decision.gates}


RECOMPUTATION_POLICY = """\
name: reproduced
version: 1
title: What is served can be made again
jurisdiction: US
legal_sources:
  - citation: SR 26-2, Guidance on Model Risk Management
    as_of: 2026-11-23
in_force_from: 2026-11-01
bound_to:
  risk_tiers: [high]
  aliases: [champion]
evidence_max_age_days: 90
gates:
  - id: reproduced
    kind: recomputation
    title: Trained again, it comes out the same
    accepts: [computed]
    at_least: within_tolerance
    max_age_days: 30
approvals:
  count: 2
  roles: [reviewer]
  distinct_from: [requester, trainer]
"""


@cache
def recomputation_policy() -> Policy:
    """Parse a policy with one gate, which asks for a recomputation."""
    return parse_policy(RECOMPUTATION_POLICY)


def recomputation_measurements(**changes: Any) -> dict[str, Any]:
    """Give the measurements of a retraining that came out identical, or what `changes` make."""
    return {
        "verdict": "identical",
        "reason": "The model's files came out with the same bytes.",
        "record_sha256": lineage_facts().digest,
        "basis": "artifact_bytes",
        "tolerance": {"absolute": 1e-9, "relative": 1e-6},
        "artifacts": {"compared": 2, "differing_count": 0, "differing": [], "left_out": []},
        "predictions": {
            "rows": 200,
            "rows_differing": 0,
            "identical": True,
            "within_tolerance": True,
            "max_difference": 0.0,
        },
        "metrics": {"accuracy": {"recorded": 0.9, "recomputed": 0.9, "difference": 0.0}},
        "parameters": {"compared": 3, "differing_count": 0, "differing": {}},
        "signature": "same",
        "loading": "same",
        "negative_control": {"result": "changed", "reason": "61 of 200 predictions are others."},
        **changes,
    }


def recomputation_item(measurements: Mapping[str, Any] | None = None) -> EvidenceItem:
    """Give evidence of a recomputation that passes, or with other measurements."""
    return EvidenceItem(
        kind="recomputation",
        origin="computed",
        conclusion="pass",
        subject_digest=SUBJECT,
        measurements=recomputation_measurements() if measurements is None else measurements,
        produced_at=NOW - timedelta(days=1),
        digest="5" * 64,
    )
