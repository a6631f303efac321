"""The artifact safety gate: every file scanned, and nothing worse found than is accepted.

Evidence of kind ``artifact_safety`` records ``scanner`` and ``scanner_version``, ``files`` (how
many the version has), ``formats`` (files by format, adding up to ``files``), ``findings``
(``path``, ``rule``, ``severity``) and ``unscanned`` (``path``, ``why``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from registry.domain.evidence import EvidenceView
from registry.domain.gate_reading import gate_result, own_finding, unread, unreliable
from registry.domain.gate_result import GateResult, plain_text
from registry.domain.measured import (
    Malformed,
    count_in,
    mapping_in,
    mappings_in,
    named,
    text_in,
    word_in,
)
from registry.domain.policy import Policy
from registry.domain.policy_findings import ArtifactSafetyGate
from registry.domain.readable import Unreadable
from registry.domain.words import EvidenceKind, GateOutcome, Severity

# Findings in the details of a result: it stands in a log entry, and the evidence holds them all.
_SHOWN: Final = 12
_FOUND: Final = [one.value for one in Severity if one is not Severity.NONE]


@dataclass(frozen=True, slots=True)
class _Finding:
    path: str
    rule: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class _Scan:
    scanner: str
    files: int
    formats: Mapping[str, int]
    findings: tuple[_Finding, ...]
    unscanned: tuple[str, ...]


def judge_artifact_safety(
    policy: Policy, gate: ArtifactSafetyGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge what a scanner found in the version's files. Never raises.

    A file that was not scanned is insufficient, unless something else found already fails.
    """
    expected = gate.at_most_severity.value
    item = own_finding(policy, gate, view, EvidenceKind.ARTIFACT_SAFETY, as_of=as_of)
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    try:
        scan = _read(item.measurements)
    except Malformed as error:
        return unread(gate, unreliable(item, f"cannot be relied on: {error}"), expected=expected)
    outcome, reason = _judge(gate, scan)
    worst = max((one.severity for one in scan.findings), key=lambda one: one.rank, default=None)
    return gate_result(
        gate,
        outcome,
        plain_text(reason),
        expected=expected,
        actual=Severity.NONE.value if worst is None else worst.value,
        evidence_digest=item.digest,
        details=_details(scan),
    )


def _judge(gate: ArtifactSafetyGate, scan: _Scan) -> tuple[GateOutcome, str]:
    worse = [one for one in scan.findings if one.severity.rank > gate.at_most_severity.rank]
    if worse:
        what = [f"{one.path} ({one.rule}, {one.severity.value})" for one in worse]
        return GateOutcome.UNSATISFIED, f"Found in the version's files: {named(what)}."
    refused = [name for name in scan.formats if gate.formats and name not in gate.formats]
    if refused:
        return (
            GateOutcome.UNSATISFIED,
            f"Files of a format that the policy does not accept: {named(refused)}.",
        )
    if scan.unscanned:
        return (
            GateOutcome.INSUFFICIENT,
            f"Not every file could be scanned: {named(scan.unscanned)}.",
        )
    files = "The one file was" if scan.files == 1 else f"All {scan.files} files were"
    return GateOutcome.SATISFIED, f"{files} scanned with {scan.scanner}; nothing worse was found."


def _read(measurements: Mapping[str, Any]) -> _Scan:
    files = count_in(measurements, "files")
    if files == 0:
        raise Malformed("no file was scanned")
    formats = mapping_in(measurements, "formats")
    counts = {str(name): count_in(formats, name) for name in sorted(formats)}
    if sum(counts.values()) != files:
        raise Malformed("formats do not add up to files")
    scanner = text_in(measurements, "scanner", blank=False)
    return _Scan(
        scanner=f"{scanner} {text_in(measurements, 'scanner_version', blank=False)}",
        files=files,
        formats={name: count for name, count in counts.items() if count},
        findings=tuple(
            sorted(
                (
                    _Finding(
                        path=text_in(one, "path"),
                        rule=text_in(one, "rule"),
                        severity=Severity(word_in(one, "severity", _FOUND)),
                    )
                    for one in mappings_in(measurements, "findings")
                ),
                key=lambda one: (-one.severity.rank, one.path, one.rule),
            )
        ),
        unscanned=tuple(
            sorted(text_in(one, "path") for one in mappings_in(measurements, "unscanned"))
        ),
    )


def _details(scan: _Scan) -> dict[str, Any]:
    return {
        "scanner": plain_text(scan.scanner),
        "files": scan.files,
        "formats": {plain_text(name): count for name, count in list(scan.formats.items())[:_SHOWN]},
        "findings": [
            {
                "path": plain_text(one.path),
                "rule": plain_text(one.rule),
                "severity": one.severity.value,
            }
            for one in scan.findings[:_SHOWN]
        ],
        "findings_left_out": max(0, len(scan.findings) - _SHOWN),
        "unscanned": [plain_text(path) for path in scan.unscanned[:_SHOWN]],
        "unscanned_left_out": max(0, len(scan.unscanned) - _SHOWN),
    }
