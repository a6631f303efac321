"""A lineage record as four legs, with the digests that each stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lineage.models import LineageRecord

LEGS = (
    ("code", "Code", "code"),
    ("data", "Data", "database"),
    ("environment", "Environment", "box"),
    ("configuration", "Configuration", "sliders"),
)


@dataclass(frozen=True, slots=True)
class LegCard:
    """One leg: its grade, why, and what was recorded about it."""

    title: str
    icon: str
    grade: str
    reason: str
    facts: tuple[tuple[str, Any, bool], ...]


@dataclass(frozen=True, slots=True)
class LineagePanel:
    """The record of one version; `record` is None where there is none yet."""

    record: LineageRecord | None
    legs: tuple[LegCard, ...]
    artifacts: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, Any], ...]
    packages: int


def lineage_panel(record: LineageRecord | None) -> LineagePanel:
    """Lay out a lineage record; a leg that it does not mention is missing."""
    legs = record.legs if record and isinstance(record.legs, Mapping) else {}
    facts = record.facts if record and isinstance(record.facts, Mapping) else {}
    artifacts = record.artifacts if record and isinstance(record.artifacts, Mapping) else {}
    parameters = facts.get("parameters")
    packages = facts.get("packages")
    return LineagePanel(
        record=record,
        legs=tuple(_card(key, title, icon, legs.get(key), facts) for key, title, icon in LEGS),
        artifacts=tuple(sorted(artifacts.items())),
        parameters=tuple(sorted(parameters.items())) if isinstance(parameters, Mapping) else (),
        packages=len(packages) if isinstance(packages, list | Mapping) else 0,
    )


def _card(key: str, title: str, icon: str, leg: object, facts: Mapping[str, Any]) -> LegCard:
    found = leg if isinstance(leg, Mapping) else {}
    return LegCard(
        title=title,
        icon=icon,
        grade=str(found.get("grade", "missing")),
        reason=str(found.get("reason", "The record does not mention it.")),
        facts=tuple(_facts(key, found, facts)),
    )


def _facts(
    key: str, leg: Mapping[str, Any], facts: Mapping[str, Any]
) -> list[tuple[str, Any, bool]]:
    """Give (name, value, is a digest) of what is known about a leg."""
    known = {name: value for name, value in leg.items() if name not in ("grade", "reason")}
    if key == "code":
        known = {"commit": facts.get("commit"), "repository": facts.get("remote"), **known}
    return [
        (name.replace("_", " "), value, _is_digest(value))
        for name, value in known.items()
        if value not in (None, "", [], {})
    ]


def _is_digest(value: object) -> bool:
    text = str(value).rpartition(":")[2]
    return len(text) in (40, 64) and all(character in "0123456789abcdef" for character in text)
