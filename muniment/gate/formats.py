"""The gate's answer, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from muniment.gate.client import GateAnswer

FORMATS: Final = ("text", "json")
_PASSED: Final = frozenset({"satisfied", "not_applicable"})


def render(answer: GateAnswer, output_format: str) -> str:
    """Return the answer in one of ``FORMATS``, ending in a newline."""
    if output_format == "json":
        return json.dumps(answer.document, indent=2, ensure_ascii=True) + "\n"
    return "\n".join(_lines(answer)) + "\n"


def _lines(answer: GateAnswer) -> Iterator[str]:
    document = answer.document
    yield (
        f"{answer.decision.upper()}  {_clean(answer.model)} version {_clean(answer.version)} "
        f"for {_clean(answer.alias)}"
    )
    policy = document.get("policy")
    if isinstance(policy, dict):
        yield f"policy {_clean(policy.get('name'))} {_clean(policy.get('version'))}"
    for reason in _listed(document, "reasons"):
        yield f"because {_clean(reason)}"
    gates = [gate for gate in _listed(document, "checks") if isinstance(gate, dict)]
    # What stands in the way comes first.
    for gate in sorted(gates, key=lambda gate: _outcome(gate) in _PASSED):
        title = gate.get("title") or gate.get("id")
        yield f"  {_outcome(gate):<15} {_clean(title)}"
        if gate.get("reason"):
            yield f"  {'':<15} {_clean(gate['reason'])}"
        bounds = [
            f"{name} {_clean(json.dumps(gate[name]))}"
            for name in ("expected", "actual")
            if gate.get(name) is not None
        ]
        if bounds and _outcome(gate) not in _PASSED:
            yield f"  {'':<15} {', '.join(bounds)}"
        remedy = gate.get("remedy")
        if isinstance(remedy, dict):
            yield f"  {'':<15} {_clean(remedy.get('who'))}: {_clean(remedy.get('what'))}"
            if remedy.get("command"):
                yield f"  {'':<15} {_clean(remedy['command'])}"
    links = document.get("links")
    if isinstance(links, dict):
        for name, link in links.items():
            if isinstance(link, str):
                yield f"{_clean(name)}: {_clean(link)}"


def _listed(document: Mapping[str, Any], name: str) -> list[Any]:
    items = document.get(name)
    return items if isinstance(items, list) else []


def _outcome(gate: Mapping[str, Any]) -> str:
    return _clean(gate.get("conclusion") or gate.get("status") or "unknown")


def _clean(value: object) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
