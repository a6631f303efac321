"""How a version differs from the champion, coloured by good or bad and never by sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lineage.models import LineageRecord
from registry.domain.evidence import EvidenceItem, current_item

# Smaller changes than this are noise of printing, not better or worse.
_SAME = 0.0005
_METRICS = (("accuracy", True), ("balanced_accuracy", True))
_GAPS = (("demographic_parity_difference", False), ("equalized_odds_difference", False))
MAX_ROWS = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing beside the champion's. `change` is None where no number can be taken away."""

    name: str
    champion: Any
    candidate: Any
    change: float | None
    tone: str
    word: str


@dataclass(frozen=True, slots=True)
class DifferenceGroup:
    """One part of the comparison; `note` says what the numbers cannot."""

    title: str
    kind: str
    rows: tuple[Difference, ...]
    note: str = ""


def differences(
    candidate: Sequence[EvidenceItem],
    champion: Sequence[EvidenceItem],
    candidate_record: LineageRecord | None,
    champion_record: LineageRecord | None,
) -> list[DifferenceGroup]:
    """Compare what was measured, then what the two versions were made of."""
    return [
        _metrics(candidate, champion),
        _fairness(candidate, champion),
        *_making(candidate_record, champion_record),
    ]


def _measured(items: Sequence[EvidenceItem], kind: str) -> Mapping[str, Any]:
    item = current_item(items, kind)
    return item.measurements if item and isinstance(item.measurements, Mapping) else {}


def _metrics(
    candidate: Sequence[EvidenceItem], champion: Sequence[EvidenceItem]
) -> DifferenceGroup:
    ours, theirs = _measured(candidate, "performance"), _measured(champion, "performance")
    same_rows = bool(ours.get("rows_digest")) and ours.get("rows_digest") == theirs.get(
        "rows_digest"
    )
    rows = tuple(
        _number(name.replace("_", " "), theirs.get(name), ours.get(name), higher=higher)
        for name, higher in _METRICS
    )
    note = "" if same_rows else "Measured on different rows, so the numbers do not compare."
    if not ours or not theirs:
        note = "One of the two has no measurements."
    return DifferenceGroup("Metrics", "numbers", rows, note)


def _fairness(
    candidate: Sequence[EvidenceItem], champion: Sequence[EvidenceItem]
) -> DifferenceGroup:
    ours, theirs = _measured(candidate, "bias"), _measured(champion, "bias")
    rows: list[Difference] = []
    attributes = _mapping(ours, "attributes")
    for name in sorted(attributes):
        found, held = _mapping(attributes, name), _mapping(_mapping(theirs, "attributes"), name)
        if not found.get("judged"):
            continue
        rows.append(
            _number(
                f"lowest impact ratio by {name}",
                _lowest_ratio(held),
                _lowest_ratio(found),
                higher=True,
            )
        )
        rows.extend(
            _number(
                f"{gap.replace('_', ' ')} by {name}", held.get(gap), found.get(gap), higher=higher
            )
            for gap, higher in _GAPS
        )
    return DifferenceGroup("Fairness", "numbers", tuple(rows))


def _lowest_ratio(attribute: Mapping[str, Any]) -> float | None:
    ratios = [
        group["impact_ratio"]
        for name, group in _mapping(attribute, "groups").items()
        if name != "unknown"
        and isinstance(group, Mapping)
        and isinstance(group.get("impact_ratio"), int | float)
    ]
    return min(ratios, default=None)


def _making(
    candidate: LineageRecord | None, champion: LineageRecord | None
) -> list[DifferenceGroup]:
    ours = candidate.facts if candidate and isinstance(candidate.facts, Mapping) else {}
    theirs = champion.facts if champion and isinstance(champion.facts, Mapping) else {}
    return [
        _texts("Parameters", _mapping(theirs, "parameters"), _mapping(ours, "parameters")),
        _texts("Data and code", _origins(theirs), _origins(ours)),
        _texts("Environment", _packages(theirs), _packages(ours)),
    ]


def _origins(facts: Mapping[str, Any]) -> dict[str, Any]:
    dataset = _mapping(facts, "dataset")
    return {
        "data (SHA-256)": dataset.get("sha256"),
        "data set": dataset.get("name"),
        "commit": facts.get("commit"),
    }


def _packages(facts: Mapping[str, Any]) -> dict[str, Any]:
    packages = facts.get("packages")
    if isinstance(packages, Mapping):
        return dict(packages)
    lines = packages if isinstance(packages, list) else []
    pairs = (str(line).partition("==") for line in lines)
    return {name: version for name, _, version in pairs}


def _texts(title: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> DifferenceGroup:
    names = sorted({*theirs, *ours})
    changed = [name for name in names if theirs.get(name) != ours.get(name)]
    rows = tuple(
        Difference(name, theirs.get(name), ours.get(name), None, "plain", "changed")
        for name in changed[:MAX_ROWS]
    )
    same = len(names) - len(changed)
    if not names:
        note = "Nothing was recorded."
    elif not changed:
        note = f"The same in both ({same})."
    else:
        note = f"{same} more the same in both." if same else ""
    if len(changed) > MAX_ROWS:
        note = f"And {len(changed) - MAX_ROWS} more changes. {note}"
    return DifferenceGroup(title, "texts", rows, note)


def _number(name: str, theirs: Any, ours: Any, *, higher: bool) -> Difference:
    if not isinstance(theirs, int | float) or not isinstance(ours, int | float):
        return Difference(name, theirs, ours, None, "plain", "not comparable")
    change = float(ours) - float(theirs)
    if abs(change) < _SAME:
        return Difference(name, theirs, ours, change, "plain", "the same")
    if (change > 0) is higher:
        return Difference(name, theirs, ours, change, "ok", "better")
    return Difference(name, theirs, ours, change, "bad", "worse")


def _mapping(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = mapping.get(key)
    return found if isinstance(found, Mapping) else {}
