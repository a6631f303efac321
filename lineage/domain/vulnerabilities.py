"""Known vulnerabilities of an environment's packages, by advisories in the OSV format.

The format is the Open Source Vulnerability schema 1.x (ossf.github.io/osv-schema): an advisory
names packages of an ecosystem, and of each the versions that are affected, one by one or by ranges
of ``introduced``, ``fixed`` and ``last_affected``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.version import InvalidVersion, Version

ECOSYSTEM: Final = "PyPI"
UNKNOWN: Final = "unknown"
_SEVERITIES: Final = {
    "LOW": "low",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "HIGH": "high",
    "CRITICAL": "critical",
}


@dataclass(frozen=True, slots=True)
class Match:
    """One advisory about one package of an environment.

    Attributes:
        severity: `low`, `medium`, `high`, `critical`, or `unknown` where the advisory tells none.
        fixed_in: the first version without it above the one that is there; empty for none known.
        aliases: other names of the same vulnerability.
    """

    package: str
    version: str
    id: str
    severity: str
    fixed_in: str
    aliases: frozenset[str] = frozenset()

    def as_mapping(self) -> dict[str, str]:
        """Return what evidence says of it."""
        return {
            "package": self.package,
            "version": self.version,
            "id": self.id,
            "severity": self.severity,
            "fixed_in": self.fixed_in,
        }


def matches_of(advisory: Mapping[str, Any], packages: Mapping[str, str]) -> Iterator[Match]:
    """Yield the packages that an advisory is about, at the versions that are there.

    A version that cannot be read as one (PEP 440) is compared by its text alone, and counts as
    affected by every range: what cannot be compared is not known to be safe.

    Args:
        advisory: in the OSV format; a withdrawn one matches nothing.
        packages: normalised name (PEP 503) → version.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is no advisory.
    """
    if advisory.get("withdrawn"):
        return
    seen: set[str] = set()
    for affected in advisory.get("affected", ()):
        named = affected["package"]
        name = _normalised(named["name"])
        version = packages.get(name)
        if named["ecosystem"] != ECOSYSTEM or version is None or name in seen:
            continue
        if version in affected.get("versions", ()) or any(
            _is_within(version, one["events"])
            for one in affected.get("ranges", ())
            if one["type"] == "ECOSYSTEM"
        ):
            seen.add(name)
            yield Match(
                package=name,
                version=version,
                id=str(advisory["id"])[:100],
                severity=_severity(advisory),
                fixed_in=_fixed_in(version, affected.get("ranges", ())),
                aliases=frozenset(str(one) for one in advisory.get("aliases", ())),
            )


def without_repetitions(matches: Iterable[Match]) -> list[Match]:
    """Leave out what another advisory says too, under another name and with a severity."""
    found = list(matches)
    return sorted(
        (
            one
            for one in found
            if not any(
                one.severity == UNKNOWN
                and other.severity != UNKNOWN
                and one.package == other.package
                and (one.id in other.aliases or other.id in one.aliases)
                for other in found
            )
        ),
        key=lambda one: (one.package, one.id),
    )


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _severity(advisory: Mapping[str, Any]) -> str:
    said = advisory.get("database_specific", {}).get("severity")
    return _SEVERITIES.get(str(said).upper(), UNKNOWN)


def _is_within(version: str, events: Iterable[Mapping[str, str]]) -> bool:
    try:
        here = Version(version)
        is_affected = False
        for event in sorted(events, key=_place):
            if "introduced" in event:
                is_affected = is_affected or here >= Version(event["introduced"])
            elif "fixed" in event:
                is_affected = is_affected and here < Version(event["fixed"])
            elif "last_affected" in event:
                is_affected = is_affected and here <= Version(event["last_affected"])
    except InvalidVersion:
        return True
    return is_affected


def _place(event: Mapping[str, str]) -> tuple[Version, bool]:
    # What was introduced and fixed at one version affects none.
    (kind, version), *_ = event.items()
    return Version(version), kind != "introduced"


def _fixed_in(version: str, ranges: Iterable[Mapping[str, Any]]) -> str:
    try:
        here = Version(version)
        fixed = [
            Version(event["fixed"])
            for one in ranges
            if one["type"] == "ECOSYSTEM"
            for event in one["events"]
            if "fixed" in event
        ]
        return str(min((one for one in fixed if one > here), default=""))
    except InvalidVersion:
        return ""
