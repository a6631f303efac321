"""A policy with every kind of gate, and evidence that satisfies all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from functools import cache
from typing import Any

from audits.domain.bias import (
    AttributeCounts,
    BiasCriteria,
    Confusion,
    Counts,
    GroupCounts,
    judge,
)
from audits.domain.measurements import to_json
from registry.domain.evidence import EvidenceItem, EvidenceView
from registry.domain.policy import Policy
from registry.domain.policy_parser import parse_policy
from tests.unit.registry.samples import (
    NOW,
    RECOMPUTATION_POLICY,
    SUBJECT,
    evidence_view,
    performance_item,
    recomputation_item,
)

_HEAD, _, _REST = RECOMPUTATION_POLICY.partition("gates:\n")
_RECOMPUTATION, _, _APPROVALS = _REST.partition("approvals:\n")

GATES = """\
  - id: safe
    kind: artifact_safety
    title: Nothing dangerous in the files
    accepts: [computed]
    at_most_severity: low
    formats: [pickle, text]
  - id: vulnerable
    kind: vulnerabilities
    title: No known vulnerability
    accepts: [computed]
    max_age_days: 30
    at_most_severity: medium
    database_max_age_days: 7
    ignore:
      - {id: CVE-2026-1, reason: The function is never called., until: 2026-11-23}
  - id: documented
    kind: documentation
    title: Documented
    accepts: [computed, reported]
    requires: [intended_use, owner]
    min_length: 20
  - id: validated
    kind: attestation
    title: Independently validated
    accepts: [computed]
    name: independent-validation
    by_role: [validator, auditor]
    max_age_days: 60
    waivable_by: [admin]
  - id: robust
    kind: reported_evidence
    title: Robust
    accepts: [reported]
    type: robustness
    schema:
      type: object
      required: [drop]
      additionalProperties: false
      properties:
        drop:
          type: object
          required: [value, unit]
          properties: {value: {type: number, minimum: 0.1}, unit: {const: fraction}}
        runs: {type: integer, minimum: 1}
    compare:
      - {path: /drop, at_most: 0.3, unit: fraction}
  - id: alike
    kind: group_metric
    title: True positive rates are alike
    accepts: [reported, computed]
    metric: true_positive_rate_difference
    attribute: race
    at_most: 0.1
    unit: fraction
    favourable: 1
    min_group: 30
    max_unknown_share: 0.05
  - id: crossed
    kind: bias
    title: No adverse impact by race and sex
    accepts: [reported, computed]
    attribute: race × sex
    criteria:
      standard: screening
      favourable: 1
      reference: highest
      impact_ratio: "4/5"
      significance: 0.05
      confidence: 0.90
      min_group: 30
      min_share: 0.02
      max_unknown_share: 0.05
  - id: examined
    kind: any_of
    title: Examined in one way or another
    waivable_by: [admin]
    gates:
      - id: second-look
        kind: attestation
        title: Looked at again
        accepts: [computed]
        name: second-look
        by_role: [reviewer]
      - id: both
        kind: all_of
        title: Accurate and made again
        gates:
          - id: accurate
            kind: metric_floor
            title: Accurate
            accepts: [reported, computed]
            metric: accuracy
            at_least: 0.5
            unit: fraction
            min_rows: 100
            waivable_by: [admin]
          - id: no-worse
            kind: not_worse_than_champion
            title: Not worse
            accepts: [reported, computed]
            metric: accuracy
            at_most_drop: 0.03
            unit: fraction
            min_rows: 100
          - id: made-again
            kind: recomputation
            title: Made again
            accepts: [computed]
            at_least: within_tolerance
            max_age_days: 30
  - id: published
    kind: published_audit
    title: Audited, with the tables to publish
    accepts: [reported, computed]
    tables: [race, race × sex]
    favourable: 1
    exclude_below: 0.02
    exclude_because: Fewer than one in fifty.
"""
LINEAGE = """\
  - id: lineage
    kind: lineage_complete
    title: Lineage
    accepts: [reported]
    legs: {code: recorded, environment: recorded}
"""
DOCUMENT = f"{_HEAD}gates:\n{LINEAGE}{GATES}approvals:\n{_APPROVALS}"


def document_of(*gates: str) -> str:
    """Give a policy document with these gates, each written as in GATES."""
    return f"{_HEAD}gates:\n{''.join(gates)}approvals:\n{_APPROVALS}"


@cache
def every_kind() -> Policy:
    """Parse the policy with every kind of gate."""
    return parse_policy(DOCUMENT)


def finding(kind: str, measurements: Mapping[str, Any], **changes: Any) -> EvidenceItem:
    """Give computed evidence of a kind that concludes `pass`, or what `changes` makes of it."""
    item = EvidenceItem(
        kind=kind,
        origin="reported" if kind.startswith("reported:") else "computed",
        conclusion="pass",
        subject_digest=SUBJECT,
        measurements=measurements,
        produced_at=NOW - timedelta(days=1),
        digest=f"digest of {kind}",
    )
    return replace(item, **changes)


def group(name: str, *, tp: int = 400, fp: int = 20, tn: int = 60, fn: int = 20) -> GroupCounts:
    """Give a group with its confusion matrix."""
    return GroupCounts(name, tp + fp + tn + fn, tp + fp, Confusion(tp, fp, tn, fn))


CRITERIA = BiasCriteria(
    intersections=(("race", "sex"),),
    ll144=True,
    exclude_below=Fraction(1, 50),
    exclude_because="Fewer than one in fifty.",
)


def group_measurements(*groups: GroupCounts, unknown: int = 0) -> dict[str, Any]:
    """Give bias measurements of these groups by race, and by race and sex the same ones."""
    unknowns = (GroupCounts("unknown", unknown, 0, Confusion(0, 0, unknown, 0)),) if unknown else ()
    found = (*(groups or (group("Black"), group("White"))), *unknowns)
    crossed = tuple(
        replace(one, name=one.name if one.name == "unknown" else f"{one.name} × Male")
        for one in found
    )
    people = sum(one.n for one in found)
    counts = Counts(
        n=people,
        favourable=1,
        attributes=(
            AttributeCounts("race", found),
            AttributeCounts("race × sex", crossed),
            AttributeCounts("sex", (GroupCounts("Male", people, people),)),
        ),
    )
    return to_json(judge(counts, CRITERIA))


MEASURED: dict[str, dict[str, Any]] = {
    "artifact_safety": {
        "scanner": "picklescan",
        "scanner_version": "0.0.30",
        "files": 3,
        "findings": [{"path": "model.pkl", "rule": "known global", "severity": "low"}],
        "unscanned": [],
        "formats": {"pickle": 1, "text": 2},
    },
    "vulnerabilities": {
        "database": {"digest": "sha256:" + "c" * 64, "as_of": "2026-11-20T00:00:00Z"},
        "packages": 40,
        "matches": [
            {
                "package": "numpy",
                "version": "1.0",
                "id": "CVE-2026-1",
                "severity": "critical",
                "fixed_in": "1.1",
            },
            {
                "package": "pillow",
                "version": "9.0",
                "id": "CVE-2026-2",
                "severity": "medium",
                "fixed_in": None,
            },
        ],
    },
    "documentation": {"fields": {"intended_use": {"length": 80}, "owner": {"length": 20}}},
    "attestation:independent-validation": {
        "statement": "sha256:" + "d" * 64,
        "role": "validator",
        "person": "person-1",
        "expires": "2026-12-31T00:00:00Z",
    },
    "attestation:second-look": {
        "statement": "sha256:" + "e" * 64,
        "role": "reviewer",
        "person": "person-2",
        "expires": None,
    },
    "reported:robustness": {"drop": {"value": 0.3, "unit": "fraction"}, "runs": 10},
    "bias": group_measurements(),
}


def every_item(**changes: EvidenceItem | None) -> tuple[EvidenceItem, ...]:
    """Give evidence for every gate; `changes` replaces some of a kind, or takes it away."""
    items = {
        **{kind: finding(kind, measured) for kind, measured in MEASURED.items()},
        "performance": performance_item(),
        "recomputation": recomputation_item(),
        **changes,
    }
    return tuple(item for item in items.values() if item is not None)


def full_view(**changes: EvidenceItem | None) -> EvidenceView:
    """Give a view in which every gate of `every_kind` is satisfied or not applicable."""
    return evidence_view(items=every_item(**changes))
