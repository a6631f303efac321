"""What changed between two recorded decisions about one version, for whoever signed the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was; an empty side means that it was not there."""

    what: str
    before: str
    after: str


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Compare two decisions as they are recorded: policy, what they read, and what gates said.

    What was judged comes before what came of it. Reads defensively: an old record may lack parts.
    """
    return [
        *_differing("Policy", _policy(before), _policy(after)),
        *_differing("Artifact digest", *_both(before, after, "inputs", "subject_digest")),
        *_differing("Lineage record", *_both(before, after, "inputs", "lineage", "digest")),
        *_each("Lineage", _legs(before), _legs(after)),
        *_each("Evidence", _items(before), _items(after)),
        *_differing("Compared with", _champion(before), _champion(after)),
        *_each("Waiver", _waivers(before), _waivers(after)),
        *_each("Violation", _violations(before), _violations(after)),
        *_each("Gate", _gates(before), _gates(after)),
    ]


def _differing(what: str, before: str, after: str) -> list[Change]:
    return [] if before == after else [Change(what, before, after)]


def _each(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    names = [*before, *(name for name in after if name not in before)]
    return [
        change
        for name in names
        for change in _differing(f"{what}: {name}", before.get(name, ""), after.get(name, ""))
    ]


def _both(before: Mapping[str, Any], after: Mapping[str, Any], *path: str) -> tuple[str, str]:
    return _at(before, *path), _at(after, *path)


def _at(value: Any, *path: str) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)


def _objects(decision: Mapping[str, Any], *path: str) -> list[Mapping[str, Any]]:
    found: Any = decision
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _policy(decision: Mapping[str, Any]) -> str:
    name, version = _at(decision, "policy", "name"), _at(decision, "policy", "version")
    return f"{name} v{version}" if name else ""


def _champion(decision: Mapping[str, Any]) -> str:
    uri = _at(decision, "inputs", "champion", "version_uri")
    return f"version {uri.rpartition('/')[2]}" if uri else "nobody"


def _legs(decision: Mapping[str, Any]) -> dict[str, str]:
    legs = _objects(decision, "inputs", "lineage", "legs")
    return {str(leg.get("leg")): str(leg.get("grade")) for leg in legs}


def _items(decision: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(item.get("kind")): f"{item.get('origin')}, {str(item.get('digest'))[:12]}…"
        for item in _objects(decision, "inputs", "items")
    }


def _waivers(decision: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(one.get("gate_id")): f"until {one.get('until')}"
        for one in _objects(decision, "inputs", "waivers")
    }


def _violations(decision: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(one.get("event")): f"{str(one.get('digest'))[:12]}…"
        for one in _objects(decision, "inputs", "violations")
    }


def _gates(decision: Mapping[str, Any]) -> dict[str, str]:
    return {str(gate.get("title")): _outcome(gate) for gate in _objects(decision, "gates")}


def _outcome(gate: Mapping[str, Any]) -> str:
    outcome, actual = str(gate.get("outcome")).replace("_", " "), gate.get("actual")
    if isinstance(actual, float):
        actual = f"{actual:.4f}"
    return outcome if actual is None else f"{outcome} ({actual})"
