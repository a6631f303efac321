"""The gates that read what scanners, documents, people and other tools found, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from registry.domain.words import (
    ATTESTATION_PREFIX,
    REPORTED_PREFIX,
    GateKind,
    Origin,
    Severity,
)


@dataclass(frozen=True, slots=True)
class GroupMetricGate:
    """A metric of groups, computed again from the counts, is within its bound (included).

    Attributes:
        attribute: one that is counted, or an intersection of two (`race × sex`).
        bound: the most of a difference, the least of a ratio.
        favourable: the outcome that people want, 0 or 1: the positive class of every rate.
        min_group: people under a rate, without whom it shows nothing.
        max_unknown_share: more people in no known group than this, and nothing is shown.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    metric: str
    attribute: str
    bound: Fraction
    unit: str
    favourable: int
    min_group: int
    max_unknown_share: Fraction
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.GROUP_METRIC


@dataclass(frozen=True, slots=True)
class ArtifactSafetyGate:
    """Every file of the version was scanned, and nothing worse was found than is accepted.

    Attributes:
        formats: of files, the only ones that are accepted; empty accepts every one.
    """

    id: str
    title: str
    accepts: frozenset[Origin]
    at_most_severity: Severity
    formats: tuple[str, ...] = ()
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.ARTIFACT_SAFETY


@dataclass(frozen=True, slots=True)
class IgnoredVulnerability:
    """One that the policy's authors looked at: why it does not count, up to and on which day."""

    id: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class VulnerabilitiesGate:
    """No package has a known vulnerability worse than is accepted, by a database fresh enough."""

    id: str
    title: str
    accepts: frozenset[Origin]
    at_most_severity: Severity
    database_max_age_days: int
    ignore: tuple[IgnoredVulnerability, ...] = ()
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.VULNERABILITIES


@dataclass(frozen=True, slots=True)
class DocumentationGate:
    """Every field that is asked for was written, in `min_length` characters at least."""

    id: str
    title: str
    accepts: frozenset[Origin]
    requires: tuple[str, ...]
    min_length: int
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.DOCUMENTATION


@dataclass(frozen=True, slots=True)
class AttestationGate:
    """Somebody attested a named statement, in one of the roles `by_role`, and it has not ended."""

    id: str
    title: str
    accepts: frozenset[Origin]
    name: str
    by_role: tuple[str, ...]
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.ATTESTATION

    @property
    def evidence_kind(self) -> str:
        """Give the kind of the evidence that holds this attestation."""
        return f"{ATTESTATION_PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class ReportedBound:
    """A bound (included) on what stands at a JSON pointer of reported measurements.

    There stands `{"value": number, "unit": unit}`: a number without its unit is none. One of
    `at_least` and `at_most` may be None.
    """

    path: str
    unit: str
    at_least: Fraction | None = None
    at_most: Fraction | None = None


@dataclass(frozen=True, slots=True)
class ReportedEvidenceGate:
    """Evidence of a named type was reported, fits a JSON Schema and keeps every bound."""

    id: str
    title: str
    accepts: frozenset[Origin]
    type: str
    schema: Mapping[str, Any] = field(hash=False)
    compare: tuple[ReportedBound, ...] = ()
    max_age_days: int | None = None
    waivable_by: tuple[str, ...] = ()

    @property
    def kind(self) -> GateKind:
        """Name the gate's kind as documents write it."""
        return GateKind.REPORTED_EVIDENCE

    @property
    def evidence_kind(self) -> str:
        """Give the kind of the evidence that this gate reads."""
        return f"{REPORTED_PREFIX}{self.type}"
