"""The vulnerabilities gate: no package with a known vulnerability worse than is accepted.

Evidence of kind ``vulnerabilities`` records ``database`` (``digest``, and ``as_of``: the RFC 3339
moment up to which it knows), ``packages`` (how many were looked up) and ``matches`` (``package``,
``version``, ``id``, ``severity``, ``fixed_in``; a severity that the database does not tell is
``unknown`` and counts as the worst).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from registry.domain.evidence import EvidenceItem, EvidenceView
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
from registry.domain.moments import is_aware
from registry.domain.policy import Policy
from registry.domain.policy_findings import VulnerabilitiesGate
from registry.domain.readable import CLOCK_TOLERANCE, Unreadable
from registry.domain.words import EvidenceKind, GateOutcome, Severity

_SHOWN: Final = 12
_UNKNOWN: Final = "unknown"
_FOUND: Final = [*(one.value for one in Severity if one is not Severity.NONE), _UNKNOWN]


@dataclass(frozen=True, slots=True)
class _Match:
    package: str
    version: str
    id: str
    severity: str
    fixed_in: str

    @property
    def rank(self) -> int:
        return Severity.CRITICAL.rank if self.severity == _UNKNOWN else Severity(self.severity).rank

    def __str__(self) -> str:
        fixed = f", fixed in {self.fixed_in}" if self.fixed_in else ""
        return f"{self.package} {self.version} ({self.id}, {self.severity}{fixed})"


@dataclass(frozen=True, slots=True)
class _Lookup:
    database: str
    database_as_of: datetime
    packages: int
    matches: tuple[_Match, ...]


def judge_vulnerabilities(
    policy: Policy, gate: VulnerabilitiesGate, view: EvidenceView, *, as_of: datetime
) -> GateResult:
    """Judge which known vulnerabilities the version's packages have. Never raises.

    A database older than the gate accepts, at the moment of asking, is insufficient: what it does
    not know yet is no absence.
    """
    expected = gate.at_most_severity.value
    item = own_finding(policy, gate, view, EvidenceKind.VULNERABILITIES, as_of=as_of)
    if isinstance(item, Unreadable):
        return unread(gate, item, expected=expected)
    try:
        lookup = _read(item.measurements)
    except Malformed as error:
        return unread(gate, unreliable(item, f"cannot be relied on: {error}"), expected=expected)
    return _judge(gate, item, lookup, as_of)


def _judge(
    gate: VulnerabilitiesGate, item: EvidenceItem, lookup: _Lookup, as_of: datetime
) -> GateResult:
    today = as_of.astimezone(UTC).date()
    ignored = {one.id for one in gate.ignore if today <= one.until}
    counting = [one for one in lookup.matches if one.id not in ignored]
    worse = [one for one in counting if one.rank > gate.at_most_severity.rank]
    # A worse one is there whatever a newer database would add.
    stale = None if worse else _why_stale(gate, lookup, as_of)
    if worse:
        outcome = GateOutcome.UNSATISFIED
        reason = f"Known vulnerabilities: {named([str(one) for one in worse])}."
    elif stale is not None:
        outcome, reason = GateOutcome.INSUFFICIENT, stale
    else:
        outcome = GateOutcome.SATISFIED
        reason = (
            f"None of {lookup.packages} packages has a known vulnerability worse than accepted."
        )
    left_out = [one for one in lookup.matches if one.id in ignored]
    return gate_result(
        gate,
        outcome,
        plain_text(reason),
        expected=gate.at_most_severity.value,
        actual=counting[0].severity if counting else Severity.NONE.value,
        evidence_digest=item.digest,
        details={
            "packages": lookup.packages,
            "database": plain_text(lookup.database),
            "database_as_of": lookup.database_as_of.isoformat(),
            "matches": [plain_text(str(one)) for one in counting[:_SHOWN]],
            "matches_left_out": max(0, len(counting) - _SHOWN),
            "ignored": [plain_text(str(one)) for one in left_out[:_SHOWN]],
            "ignored_left_out": max(0, len(left_out) - _SHOWN),
        },
    )


def _why_stale(gate: VulnerabilitiesGate, lookup: _Lookup, as_of: datetime) -> str | None:
    age = as_of - lookup.database_as_of
    if age < -CLOCK_TOLERANCE:
        return "The database of vulnerabilities is dated in the future."
    if age > timedelta(days=gate.database_max_age_days):
        return (
            f"The database of vulnerabilities is more than {gate.database_max_age_days} days old."
        )
    return None


def _read(measurements: Mapping[str, Any]) -> _Lookup:
    database = mapping_in(measurements, "database")
    packages = count_in(measurements, "packages")
    if packages == 0:
        raise Malformed("no package was looked up")
    try:
        known_up_to = datetime.fromisoformat(text_in(database, "as_of"))
    except ValueError:
        raise Malformed("database.as_of is no moment") from None
    if not is_aware(known_up_to):
        raise Malformed("database.as_of has no timezone")
    matches = [
        _Match(
            package=text_in(one, "package", blank=False),
            version=text_in(one, "version"),
            id=text_in(one, "id", blank=False),
            severity=word_in(one, "severity", _FOUND),
            fixed_in="" if one.get("fixed_in") is None else text_in(one, "fixed_in"),
        )
        for one in mappings_in(measurements, "matches")
    ]
    return _Lookup(
        database=text_in(database, "digest", blank=False),
        database_as_of=known_up_to,
        packages=packages,
        matches=tuple(sorted(matches, key=lambda one: (-one.rank, one.package, one.id))),
    )
