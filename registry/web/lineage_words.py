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
    faults: tuple[str, ...]


def _faults(capture: object) -> tuple[str, ...]:
    """Return what whoever recorded the run could not record, in their words."""
    faults = capture.get("faults") if isinstance(capture, Mapping) else None
    if not isinstance(faults, list):
        return ()
    # One that names no leg is a sentence and no more.
    return tuple(
        f"{fault.get('leg')}: {fault.get('sentence')}" if isinstance(fault, Mapping) else str(fault)
        for fault in faults
    )


def lineage_panel(record: LineageRecord | None) -> LineagePanel:
    """Lay out a lineage record; a leg that it does not mention is missing."""
    legs = record.legs if record and isinstance(record.legs, Mapping) else {}
    facts = record.facts if record and isinstance(record.facts, Mapping) else {}
    artifacts = record.artifacts if record and isinstance(record.artifacts, Mapping) else {}
    parameters = facts.get("parameters")
    packages = facts.get("packages")
    return LineagePanel(
        record=record,
        legs=tuple(_card(title, icon, legs.get(key)) for key, title, icon in LEGS),
        artifacts=tuple(sorted(artifacts.items())),
        parameters=tuple(sorted(parameters.items())) if isinstance(parameters, Mapping) else (),
        packages=len(packages) if isinstance(packages, list | Mapping) else 0,
        faults=_faults(facts.get("capture")),
    )


def _card(title: str, icon: str, leg: object) -> LegCard:
    found = leg if isinstance(leg, Mapping) else {}
    return LegCard(
        title=title,
        icon=icon,
        grade=str(found.get("grade", "missing")),
        reason=str(found.get("reason", "The record does not mention it.")),
        facts=tuple(_facts(found)),
    )


def _facts(leg: Mapping[str, Any]) -> list[tuple[str, Any, bool]]:
    """Give (name, value, is a digest) of what is known about a leg."""
    what = leg.get("what")
    further = what.items() if isinstance(what, Mapping) else ()
    known = [("digest", leg["digest"], True)] if leg.get("digest") else []
    return known + [(name.replace("_", " "), value, False) for name, value in further]
