"""Read the gates on scans, documentation and attestations; faults are noted in the section."""

from __future__ import annotations

from typing import Any, Final

from registry.domain.policy_findings import (
    ArtifactSafetyGate,
    AttestationGate,
    DocumentationGate,
    IgnoredVulnerability,
    VulnerabilitiesGate,
)
from registry.domain.policy_section import Section
from registry.domain.words import Severity

# An evidence's kind has 40 characters, and `attestation:` is the longest prefix.
LONGEST_EVIDENCE_NAME: Final = 28
# Whoever accepts what is critical accepts everything, and asks for no gate.
_SEVERITIES: Final = [one.value for one in Severity if one is not Severity.CRITICAL]


def read_artifact_safety_gate(section: Section, shared: dict[str, Any]) -> ArtifactSafetyGate:
    """Read the worst severity that is accepted and, optionally, the formats."""
    return ArtifactSafetyGate(
        **shared,
        at_most_severity=_severity(section),
        formats=section.names("formats") if section.has("formats") else (),
    )


def read_vulnerabilities_gate(section: Section, shared: dict[str, Any]) -> VulnerabilitiesGate:
    """Read the worst severity and oldest database that are accepted, and what is ignored."""
    ignore = tuple(_ignored(one) for one in section.sections("ignore", required=False))
    known: set[str] = set()
    for index, one in enumerate(ignore):
        if one.id and one.id in known:
            section.note(f"ignore[{index}].id", "duplicate", repr(one.id[:80]), "each id once")
        known.add(one.id)
    return VulnerabilitiesGate(
        **shared,
        at_most_severity=_severity(section),
        database_max_age_days=section.whole("database_max_age_days", least=1, most=365),
        ignore=ignore,
    )


def read_documentation_gate(section: Section, shared: dict[str, Any]) -> DocumentationGate:
    """Read the fields that must be written, and in how many characters at least."""
    return DocumentationGate(
        **shared,
        requires=section.names("requires"),
        min_length=section.whole("min_length", least=1, most=10_000),
    )


def read_attestation_gate(section: Section, shared: dict[str, Any]) -> AttestationGate:
    """Read what is attested, and in which roles."""
    return AttestationGate(
        **shared,
        name=read_evidence_name(section, "name"),
        by_role=section.names("by_role"),
    )


def read_evidence_name(section: Section, key: str) -> str:
    """Read a name that becomes part of an evidence's kind."""
    name = section.name(key)
    if len(name) > LONGEST_EVIDENCE_NAME:
        section.note(key, "too_long", repr(name), f"at most {LONGEST_EVIDENCE_NAME} characters")
    return name


def _severity(section: Section) -> Severity:
    return Severity(section.choice("at_most_severity", _SEVERITIES) or Severity.NONE.value)


def _ignored(section: Section) -> IgnoredVulnerability:
    ignored = IgnoredVulnerability(
        id=section.text("id"), reason=section.text("reason"), until=section.day("until")
    )
    section.close()
    return ignored
