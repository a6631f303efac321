"""Reports whose data a stolen PDF key signed, and what a verification says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from muniment.verify import Finding
from tests.unit.verify.conftest import Look
from tests.unit.verify.world import World, failures

Dossier = dict[str, Any]
Edit = Callable[[Dossier], object]


def forged(world: World, *edits: Edit) -> bytes:
    """Return a report that the PDF key signed, with other data on its pages."""
    evidence = json.loads(json.dumps(world.evidence()))
    for edit in edits:
        edit(evidence["dossier"])
    return world.report(evidence)


def agreement(look: Look, pdf: bytes) -> Finding:
    """Return the finding on the pages' data; every other one must hold."""
    verification = look(pdf)
    assert set(failures(verification)) <= {"dossier.agreement"}
    (found,) = [item for item in verification.findings if item.id == "dossier.agreement"]
    return found


def as_preview(dossier: Dossier) -> None:
    dossier["decision"].update(leaf_index=None)


def satisfied_gates(dossier: Dossier) -> None:
    for gate in dossier["decision"]["gates"]:
        gate.update(outcome="satisfied", reason="Fine.", actual=0.99)


def satisfied_bias(dossier: Dossier) -> None:
    dossier["decision"]["gates"][1].update(outcome="satisfied")


def allowed(dossier: Dossier) -> None:
    dossier["decision"].update(
        verdict="allow", reasons=["Only a formality is missing."], approvals_given=2
    )


def without_bias(dossier: Dossier) -> None:
    dossier["evidence"] = [item for item in dossier["evidence"] if item["kind"] != "bias"]


def verified_legs(dossier: Dossier) -> None:
    for leg in dossier["lineage"]["legs"]:
        leg.update(grade="verified", reason="Recomputed.")


def without_events(dossier: Dossier) -> None:
    dossier["events"] = []


def without_alias_history(dossier: Dossier) -> None:
    dossier["alias_history"] = []
