"""Two policy documents beside each other: line by line, and gate by gate."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

from registry.domain.policy import Policy
from registry.web.policy_words import GateWords, explain_gates

_SEVERAL = ("gates", "digest", "approvals", "bound_to", "legal_sources")


@dataclass(frozen=True, slots=True)
class Line:
    """One line on each side; a number of None where a side has none there."""

    before_number: int | None
    before: str
    after_number: int | None
    after: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs, in words; None where one side has no such thing."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class GateChange:
    """A gate that is new, gone, or asks for something else; `word` says which."""

    id: str
    title: str
    word: str
    before: GateWords | None
    after: GateWords | None


def side_by_side(before: str, after: str) -> list[Line]:
    """Lay two texts beside each other, line by line.

    Lines that stand all over a long text, such as empty ones, are no anchors: with them the time
    would grow with the square of the lines.
    """
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(a=old, b=new)
    lines: list[Line] = []
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        beside = zip_longest(range(old_from, old_to), range(new_from, new_to))
        lines.extend(
            Line(
                before_number=None if left is None else left + 1,
                before="" if left is None else old[left],
                after_number=None if right is None else right + 1,
                after="" if right is None else new[right],
                differs=tag != "equal",
            )
            for left, right in beside
        )
    return lines


def head_changes(before: Policy, after: Policy) -> list[Change]:
    """Say what differs outside the gates."""
    old, new = _head(before), _head(after)
    return [
        Change(name, old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def gate_changes(before: Policy, after: Policy) -> list[GateChange]:
    """Say of each gate that differs what it asked and asks; those inside others by themselves."""
    old, new = _by_id(explain_gates(before)), _by_id(explain_gates(after))
    found = []
    for gate_id in dict.fromkeys((*new, *old)):
        was, now = old.get(gate_id), new.get(gate_id)
        shown = now or was
        if shown is None or (was is not None and now is not None and _says(was) == _says(now)):
            continue
        word = "new" if was is None else "gone" if now is None else "changed"
        found.append(GateChange(gate_id, shown.title, word, was, now))
    return found


def _by_id(gates: list[GateWords]) -> Mapping[str, GateWords]:
    return {gate.id: gate for gate in _flattened(gates)}


def _flattened(gates: Iterator[GateWords] | list[GateWords] | Any) -> Iterator[GateWords]:
    for gate in gates:
        yield gate
        yield from _flattened(gate.members)


def _says(gate: GateWords) -> tuple[object, ...]:
    # What is inside has a row of its own, and here only its being there counts.
    inside = tuple(member.id for member in gate.members)
    return (gate.title, gate.kind, gate.asks, gate.also, inside)


def _head(policy: Policy) -> dict[str, str]:
    plain = {
        field.name: getattr(policy, field.name)
        for field in fields(policy)
        if field.name not in _SEVERAL
    }
    rule = policy.approvals
    approvals = {f"approvals.{one.name}": getattr(rule, one.name) for one in fields(rule)}
    bound = {
        f"bound_to.{one.name}": getattr(policy.bound_to, one.name)
        for one in fields(policy.bound_to)
    }
    sources = {
        f"source: {source.citation}": f"as read on {source.as_of}. {source.note}"
        for source in policy.legal_sources
    }
    found = {**plain, **bound, **approvals, **sources}
    return {name: _written(value) for name, value in found.items() if value is not None}


def _written(value: object) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)
