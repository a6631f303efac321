"""The closed vocabularies that policies, evidence and decisions share (design §6)."""

from __future__ import annotations

from enum import StrEnum


class Origin(StrEnum):
    """Who produced a finding: Muniment itself, or somebody who says so."""

    COMPUTED = "computed"
    REPORTED = "reported"


class Leg(StrEnum):
    """One of the four things that a version is made of."""

    CODE = "code"
    SOURCE_DATA = "data"
    ENVIRONMENT = "environment"
    CONFIGURATION = "configuration"


class Grade(StrEnum):
    """How well a leg is known; ordered by `rank`, and `missing` never satisfies anything."""

    MISSING = "missing"
    WEAK = "weak"
    RECORDED = "recorded"
    VERIFIED = "verified"

    @property
    def rank(self) -> int:
        """Give the place in missing < weak < recorded < verified, from 0."""
        return _GRADE_RANK[self]


_GRADE_RANK = {Grade.MISSING: 0, Grade.WEAK: 1, Grade.RECORDED: 2, Grade.VERIFIED: 3}


class EvidenceKind(StrEnum):
    """The kinds of evidence that gates can read.

    Attestations and reported evidence have a kind for each of their names, after these prefixes.
    """

    BIAS = "bias"
    PERFORMANCE = "performance"
    RECOMPUTATION = "recomputation"
    ARTIFACT_SAFETY = "artifact_safety"
    VULNERABILITIES = "vulnerabilities"
    DOCUMENTATION = "documentation"


# What one scan of a version comes to.
SCANNED_KINDS = frozenset({EvidenceKind.ARTIFACT_SAFETY.value, EvidenceKind.VULNERABILITIES.value})
ATTESTATION_PREFIX = "attestation:"
REPORTED_PREFIX = "reported:"


class GateKind(StrEnum):
    """The kinds of gate that a policy document can hold."""

    LINEAGE_COMPLETE = "lineage_complete"
    BIAS = "bias"
    METRIC_FLOOR = "metric_floor"
    NOT_WORSE_THAN_CHAMPION = "not_worse_than_champion"
    RECOMPUTATION = "recomputation"
    GROUP_METRIC = "group_metric"
    PUBLISHED_AUDIT = "published_audit"
    ARTIFACT_SAFETY = "artifact_safety"
    VULNERABILITIES = "vulnerabilities"
    DOCUMENTATION = "documentation"
    ATTESTATION = "attestation"
    REPORTED_EVIDENCE = "reported_evidence"
    ALL_OF = "all_of"
    ANY_OF = "any_of"


class Severity(StrEnum):
    """How bad a finding is; ordered by `rank`, and `none` is a bound and never a finding."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Give the place in none < low < medium < high < critical, from 0."""
        return list(Severity).index(self)


class GateOutcome(StrEnum):
    """What one gate came to."""

    SATISFIED = "satisfied"
    UNSATISFIED = "unsatisfied"
    INSUFFICIENT = "insufficient"
    PENDING = "pending"
    WAIVED = "waived"
    NOT_APPLICABLE = "not_applicable"

    @property
    def blocks(self) -> bool:
        """Tell whether this outcome alone decides `deny`."""
        return self in (GateOutcome.UNSATISFIED, GateOutcome.INSUFFICIENT)


class Verdict(StrEnum):
    """What a policy as a whole came to."""

    ALLOW = "allow"
    DENY = "deny"
    PENDING = "pending"


class ReviewVerdict(StrEnum):
    """What a reviewer signed."""

    APPROVE = "approve"
    REFUSE = "refuse"
    REQUEST_CHANGES = "request_changes"


class ReviewOutcome(StrEnum):
    """What all reviews of one promotion come to under the policy's rule."""

    SATISFIED = "satisfied"
    PENDING = "pending"
    REFUSED = "refused"
