"""A decision's gates as rows, what blocks first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.urls import reverse

from audits.models import Evidence
from audits.selectors import origin_of
from registry.domain.remedies import Remedy, remedy_of
from registry.domain.words import GateKind, GateOutcome
from registry.models import ModelVersion, PolicyBinding
from registry.services.policies import document_of

# What stands in the way is read first; a waiver never hides among the satisfied.
_ORDER = ("unsatisfied", "insufficient", "pending", "waived", "satisfied", "not_applicable")
_BLOCKING = ("unsatisfied", "insufficient")


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate of a decision, ready for a template."""

    id: str
    title: str
    outcome: str
    reason: str
    expected: Any
    actual: Any
    blocks: bool
    origin: str
    evidence_url: str
    remedy: Remedy | None
    waivers_url: str
    members: tuple[GateRow, ...] = ()


def gate_rows(
    gates: Sequence[Mapping[str, Any]],
    evidence: Sequence[Evidence],
    lineage_url: str = "",
    version: ModelVersion | None = None,
    binding: PolicyBinding | None = None,
) -> list[GateRow]:
    """Lay out the gates of a decision's JSON, with links to the evidence that they read.

    Args:
        version: whose gates they are, where something can still be done about them.
        binding: of the policy that says which of them somebody may waive, and which accept only
            what Muniment computed.
    """
    known = {item.entry.sha256: item for item in evidence}
    waivable = _waivable(binding)
    computed = document_of(binding.policy).computed_gates if binding else frozenset[str]()

    def row(gate: Mapping[str, Any]) -> GateRow:
        inside = tuple(row(member) for member in gate.get("gates", ()))
        laid_out = replace(_row(gate, known, lineage_url, version, computed), members=inside)
        if version is None or not _concerns_waivers(gate, waivable):
            return laid_out
        return replace(laid_out, waivers_url=waivers_address(version))

    return sorted((row(gate) for gate in gates), key=lambda one: _rank(one.outcome))


def waivers_address(version: ModelVersion) -> str:
    """Return where the waivers of a version are shown and granted."""
    known = version.registered_model
    return reverse("registry:waivers", args=[known.name, version.version]) + known.source_query


def _waivable(binding: PolicyBinding | None) -> frozenset[str]:
    if binding is None:
        return frozenset()
    return frozenset(gate.id for gate in document_of(binding.policy).every_gate if gate.waivable_by)


def _concerns_waivers(gate: Mapping[str, Any], waivable: frozenset[str]) -> bool:
    outcome = gate.get("outcome")
    return outcome == "waived" or (outcome in _BLOCKING and gate.get("id") in waivable)


def _row(
    gate: Mapping[str, Any],
    known: Mapping[str, Evidence],
    lineage_url: str,
    version: ModelVersion | None,
    computed: frozenset[str],
) -> GateRow:
    digest = str(gate.get("evidence_digest") or "").removeprefix("sha256:")
    item = known.get(digest)
    url = reverse("audits:evidence", args=[item.pk]) if item else ""
    if not url and gate.get("kind") == "lineage_complete":
        url = lineage_url
    outcome = str(gate.get("outcome", "insufficient"))
    return GateRow(
        id=str(gate.get("id", "")),
        title=str(gate.get("title", "")),
        outcome=outcome,
        reason=str(gate.get("reason", "")),
        expected=gate.get("expected"),
        actual=gate.get("actual"),
        blocks=outcome in _BLOCKING,
        origin=origin_of(item) if item else "",
        evidence_url=url,
        remedy=_remedy(gate, outcome, version, computed) if version is not None else None,
        waivers_url="",
    )


def _remedy(
    gate: Mapping[str, Any], outcome: str, version: ModelVersion, computed: frozenset[str]
) -> Remedy | None:
    try:
        kind, came_to = GateKind(str(gate.get("kind"))), GateOutcome(outcome)
    except ValueError:  # recorded by another release
        return None
    remedy = remedy_of(
        kind,
        came_to,
        was_read=bool(gate.get("evidence_digest")),
        is_computed=gate.get("id") in computed,
    )
    if remedy is None:
        return None
    return remedy.about(version.registered_model.name, version.version)


def _rank(outcome: str) -> int:
    return _ORDER.index(outcome) if outcome in _ORDER else 0
