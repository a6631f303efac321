"""A report signed with a stolen PDF key, or by its operator: what no statement bears out is found.

The log and its statements are honest; only the pages' data is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from muniment.attest import predicates
from muniment.verify import Finding
from tests.unit.verify.conftest import Look
from tests.unit.verify.story import (
    FIRST_VERSION,
    LEGS,
    PROVENANCE,
    VERSION,
    server_evidence_digest,
)
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


INGREDIENTS: list[Edit] = [
    satisfied_gates,
    allowed,
    without_bias,
    verified_legs,
    without_events,
    without_alias_history,
]


@pytest.mark.parametrize("ingredient", INGREDIENTS)
@pytest.mark.parametrize("preview", [False, True])
def test_each_ingredient_of_a_forged_report_is_found(
    look: Look, honest: World, ingredient: Edit, preview: bool
) -> None:
    edits = (as_preview, ingredient) if preview else (ingredient,)
    assert not agreement(look, forged(honest, *edits)).holds


def test_a_forged_report_is_found(look: Look, honest: World) -> None:
    assert not agreement(look, forged(honest, as_preview, *INGREDIENTS)).holds


# Decisions


def test_a_preview_is_called_the_issuers_claim(look: Look, honest: World) -> None:
    """A decision evaluated for the report stands in no statement; the report still holds."""
    verification = look(forged(honest, as_preview))
    assert verification.holds
    (found,) = [item for item in verification.findings if item.id == "dossier.agreement"]
    assert "deny as a preview, the issuer's claim, in no statement" in found.detail
    assert "the last one signed, at leaf 13, is deny" in found.detail
    assert any("it is a preview" in limit for limit in verification.limits)


@pytest.mark.parametrize("verdict", ["pending", "allow", "perhaps"])
def test_a_preview_better_than_the_signed_verdict_is_found(
    look: Look, honest: World, verdict: str
) -> None:
    def better(dossier: Dossier) -> None:
        as_preview(dossier)
        satisfied_gates(dossier)
        dossier["decision"].update(verdict=verdict)

    assert not agreement(look, forged(honest, better)).holds


def test_a_gate_better_than_signed_is_found_though_the_verdict_is_not(
    look: Look, honest: World
) -> None:
    found = agreement(look, forged(honest, as_preview, satisfied_bias))
    assert found.code == "dossier.preview_better"
    assert "gate bias is satisfied, and unsatisfied on the same evidence" in found.detail


def test_a_verdict_that_its_own_gates_deny_is_found(look: Look, world: World) -> None:
    """Also where nothing was ever signed that it could be compared with."""
    world.leaves.pop()
    world.stream.pop()

    def preview(verdict: str) -> Edit:
        def apply(dossier: Dossier) -> None:
            whole = honest_decision(world)
            dossier["decision"] = {**whole, "verdict": verdict, "leaf_index": None}

        return apply

    assert agreement(look, forged(world, preview("deny"))).holds
    assert not agreement(look, forged(world, preview("pending"))).holds
    assert not agreement(look, forged(world, preview("allow"))).holds


def honest_decision(world: World) -> Dossier:
    """Return what the pages show of a decision on the evidence as it stands."""
    decided = world.forked()
    decided.promotion("promotion.denied", "denied", **decided.decided("deny"))
    decision: Dossier = decided.evidence()["dossier"]["decision"]
    return decision


def test_a_bias_gate_cannot_turn_when_only_other_evidence_changed(look: Look, world: World) -> None:
    """The evidence digest is another now; the finding that the gate read is not."""
    world.finding("performance", "pass", {"n": 995, "accuracy": 0.95})

    def preview(dossier: Dossier) -> None:
        dossier["decision"].update(
            leaf_index=None,
            evidence_digest=f"sha256:{world.evidence_digest()}",
            approvals_given=0,
        )

    assert agreement(look, forged(world, preview)).holds
    found = agreement(look, forged(world, preview, satisfied_bias))
    assert found.code == "dossier.preview_better"


def test_a_gate_may_turn_in_a_preview_once_its_evidence_is_another(
    look: Look, world: World
) -> None:
    world.finding("bias", "pass", {"n": 995})

    def preview(dossier: Dossier) -> None:
        dossier["decision"].update(
            leaf_index=None,
            evidence_digest=f"sha256:{world.evidence_digest()}",
            approvals_given=0,
        )
        dossier["decision"]["gates"][1].update(outcome="satisfied", reason="Better now.")

    assert agreement(look, forged(world, preview)).holds


def test_a_signed_decision_on_evidence_that_no_longer_counts_is_found(
    look: Look, world: World
) -> None:
    world.finding("bias", "error", {})
    assert not agreement(look, forged(world)).holds


def test_a_superseded_signed_decision_is_found(look: Look, world: World) -> None:
    old = len(world.leaves) - 1
    world.promotion("promotion.denied", "denied", **world.decided("deny"))
    assert agreement(look, forged(world)).holds

    def older(dossier: Dossier) -> None:
        dossier["decision"]["leaf_index"] = old

    assert not agreement(look, forged(world, older)).holds


@pytest.mark.parametrize(
    "edit",
    [
        lambda decision: decision.update(evidence_digest=f"sha256:{'0' * 64}"),
        lambda decision: decision.update(evidence_digest=None),
        lambda decision: decision.update(reasons=[]),
        lambda decision: decision.update(approvals_given=2),
        lambda decision: decision.update(approvals_required=1),
        lambda decision: decision["gates"].pop(1),
        lambda decision: decision["gates"].append(decision["gates"][0]),
        lambda decision: decision["gates"][1].update(expected=0.5),
        lambda decision: decision["gates"][1].update(actual=0.81),
        lambda decision: decision["gates"][1].update(title="A formality"),
        lambda decision: decision.update(gates=None),
        lambda decision: decision.update(alias="another"),
    ],
)
@pytest.mark.parametrize("preview", [False, True])
def test_a_changed_decision_is_found(look: Look, honest: World, edit: Edit, preview: bool) -> None:
    def change(dossier: Dossier) -> None:
        if preview:
            as_preview(dossier)
        edit(dossier["decision"])

    assert not agreement(look, forged(honest, change)).holds


# Everything else that the pages show


@pytest.mark.parametrize(
    "edit",
    [
        lambda dossier: dossier.update(model_name="another"),
        lambda dossier: dossier.update(version="3"),
        lambda dossier: dossier.update(created_at="2026-11-23T14:00:00.000000Z"),
        lambda dossier: dossier.update(intended_use="Anything at all."),
        lambda dossier: dossier.update(risk_tier="low"),
        lambda dossier: dossier.update(policy=None),
        lambda dossier: dossier["policy"].update(digest=f"sha256:{'0' * 64}"),
        lambda dossier: dossier["policy"].update(name="another"),
        lambda dossier: dossier["policy"].update(version="2"),
        lambda dossier: dossier.update(decision=None),
        lambda dossier: dossier.update(lineage=None),
        lambda dossier: dossier["lineage"]["legs"].pop(),
        lambda dossier: dossier["lineage"]["legs"].append(dossier["lineage"]["legs"][0]),
        lambda dossier: dossier["lineage"]["legs"][1].update(grade="recorded"),
        lambda dossier: dossier["lineage"]["legs"][1].update(reason="It is fine."),
        lambda dossier: dossier["lineage"]["dependencies"].pop(),
        lambda dossier: dossier["lineage"]["dependencies"][0].update(
            digest=f"gitCommit:{'0' * 40}"
        ),
        lambda dossier: dossier["lineage"].update(subject_digest=None),
        lambda dossier: dossier["lineage"].update(run_id="another"),
        lambda dossier: dossier["lineage"].update(commit="0" * 40),
        lambda dossier: dossier["lineage"].update(remote="https://elsewhere.test"),
        lambda dossier: dossier["lineage"].update(artifact_files=6),
        lambda dossier: dossier["lineage"].update(artifact_tree_digest=None),
        lambda dossier: dossier["lineage"]["parameters"].update(c="2.0"),
        lambda dossier: dossier["lineage"].update(seeds={}),
        lambda dossier: dossier["lineage"].update(entry_point="other.py"),
        lambda dossier: dossier["evidence"].append(dossier["evidence"][0]),
        lambda dossier: dossier["evidence"].reverse(),
        lambda dossier: dossier["evidence"].clear(),
        lambda dossier: dossier["evidence"][0].update(criteria=None),
        lambda dossier: dossier["evidence"][0].update(producer="somebody"),
        lambda dossier: dossier["evidence"][0].update(produced_at="2026-11-20T14:00:00.000000Z"),
        lambda dossier: dossier["evidence"][0]["measurements"]["attributes"]["race"].update(
            judged=1
        ),
        lambda dossier: dossier["champion"].update(champion_version=None),
        lambda dossier: dossier["champion"].update(champion_version="2"),
        lambda dossier: dossier["champion"].update(same_rows=True),
        lambda dossier: dossier["champion"]["metrics"][0].update(this_version=0.99),
        lambda dossier: dossier["champion"]["metrics"].pop(),
        lambda dossier: dossier["promotions"].append(dossier["promotions"][0]),
        lambda dossier: dossier["promotions"][0].update(alias="another"),
        lambda dossier: dossier["promotions"][0].update(requested_at="2026-11-20T14:00:00.000000Z"),
        lambda dossier: dossier["promotions"][0].update(replaces_version=None),
        lambda dossier: dossier["promotions"][0]["timeline"].pop(),
        lambda dossier: dossier["promotions"][0]["timeline"][1].update(status="executed"),
        lambda dossier: dossier["promotions"][0]["timeline"][1].update(actor="somebody"),
        lambda dossier: dossier["promotions"][0]["timeline"][1].update(note="All is well."),
        lambda dossier: dossier["promotions"][0]["timeline"][1].update(
            at="2026-11-20T14:00:00.000000Z"
        ),
        lambda dossier: dossier["approvals"].append(dossier["approvals"][1]),
        lambda dossier: dossier["approvals"].reverse(),
        lambda dossier: dossier["approvals"][0].update(valid=False),
        lambda dossier: dossier["approvals"][0].update(promotion_id=None),
        lambda dossier: dossier["approvals"][0].update(reason=None),
        lambda dossier: dossier["events"].pop(2),
        lambda dossier: dossier["events"].append(dossier["events"][0]),
        lambda dossier: dossier["events"].reverse(),
        lambda dossier: dossier["events"][2].update(violation=False),
        lambda dossier: dossier["events"][2].update(violation=None),
        lambda dossier: dossier["events"][2].update(event="alias.granted"),
        lambda dossier: dossier["events"][2].update(summary="nothing of note"),
        lambda dossier: dossier["events"][2].update(actor="somebody"),
        lambda dossier: dossier["events"][2].update(at="2026-11-20T14:00:00.000000Z"),
        lambda dossier: dossier["events"][2].update(leaf_index=True),
        lambda dossier: dossier["alias_history"][0].update(cause="promotion 1"),
        lambda dossier: dossier["alias_history"][0].update(to_version="2"),
        lambda dossier: dossier["alias_history"][0].update(from_version="2"),
        lambda dossier: dossier["alias_history"][0].update(at="2026-11-20T14:00:00.000000Z"),
        lambda dossier: dossier.update(aliases=[{"name": "champion", "version": "2"}]),
        lambda dossier: dossier.update(aliases=[]),
        lambda dossier: dossier["log"].update(checkpoint=None),
        lambda dossier: dossier["log"].update(origin=None),
        lambda dossier: dossier["log"].update(tree_size=None),
        lambda dossier: dossier["log"].update(root_hash=None),
        lambda dossier: dossier["log"].update(vkey=None),
        lambda dossier: dossier["log"].update(stream_length=None),
        lambda dossier: dossier["log"]["keys"][0].update(keyid="0" * 64),
        lambda dossier: dossier["log"]["keys"][0].update(use="pdf"),
        lambda dossier: dossier["log"]["keys"][0].update(leaf_index=1),
        lambda dossier: dossier["log"]["keys"][1].update(certificate_sha256="0" * 64),
    ],
)
def test_whatever_else_no_statement_bears_out_is_found(
    look: Look, honest: World, edit: Edit
) -> None:
    assert not agreement(look, forged(honest, edit)).holds


def test_a_part_that_this_verifier_does_not_know_is_named(look: Look, honest: World) -> None:
    verification = look(forged(honest, lambda dossier: dossier.update(waivers=["everything"])))
    assert verification.holds
    assert any("waivers" in limit for limit in verification.limits)


def test_a_name_that_no_disclosure_opens_is_found(look: Look, honest: World) -> None:
    """An erased reviewer stays erased: the pages cannot put another name there."""
    evidence = {**honest.evidence(), "disclosures": []}
    assert not agreement(look, honest.report(evidence)).holds


def test_a_dismissed_review_shown_as_standing_is_found(look: Look, world: World) -> None:
    world.review("approve", event="approval.dismissed")
    assert agreement(look, forged(world)).holds
    found = agreement(
        look, forged(world, lambda dossier: dossier["approvals"][1].update(valid=True))
    )
    assert not found.holds


def test_older_lineage_is_found(look: Look, world: World) -> None:
    """A later record of the same version supersedes it."""
    world.leaves.pop()
    world.stream.pop()
    old = world.evidence()["dossier"]["lineage"]
    worse = json.loads(json.dumps(PROVENANCE))
    worse["buildDefinition"]["internalParameters"]["muniment_legs"] = {
        name: {"grade": "missing", "reason": "Nothing is there."} for name in LEGS
    }
    world.state(predicates.SLSA_PROVENANCE, worse)
    world.promotion("promotion.denied", "denied", **world.decided("deny"))
    found = agreement(look, forged(world, lambda dossier: dossier.update(lineage=old)))
    assert "not the newest lineage" in found.detail


def test_reported_evidence_does_not_supersede_what_was_computed(look: Look, world: World) -> None:
    """The verifier counts as the server does, or its evidence digest would be another."""
    world.finding("bias", "fail", {"n": 1}, origin="computed")
    world.finding("bias", "pass", {"n": 2}, origin="reported")
    world.finding("performance", "pass", {"n": 3, "accuracy": 0.5}, subject=FIRST_VERSION)
    world.registry_event("alias.moved", VERSION, after={"version": 2}, detail={"alias": "Champion"})
    world.promotion("promotion.denied", "denied", **world.decided("deny"))

    def compared(dossier: Dossier) -> None:
        dossier["champion"]["metrics"][0].update(champion=0.5)
        dossier["champion"].update(same_rows=False)

    assert agreement(look, forged(world, compared)).holds


def test_a_violation_that_stands_is_part_of_what_is_judged(look: Look, world: World) -> None:
    def judged_with(*standing: str) -> Edit:
        digest = server_evidence_digest(world.statements(), standing=standing)

        def preview(dossier: Dossier) -> None:
            dossier["decision"].update(
                leaf_index=None, evidence_digest=f"sha256:{digest}", approvals_given=0
            )

        return preview

    def violate(subject: str, **detail: object) -> str:
        world.registry_event(
            "artifacts.changed", subject, violation=True, detail={"standing": True, **detail}
        )
        return str(world.statements()[-1]["sha256"])

    violate(FIRST_VERSION)  # of another version: nothing to this one
    assert agreement(look, forged(world, judged_with())).holds
    first = violate(VERSION)
    assert agreement(look, forged(world, judged_with(first))).holds
    assert not agreement(look, forged(world, judged_with())).holds
    second = violate(VERSION, supersedes=[first])
    assert agreement(look, forged(world, judged_with(second))).holds
    assert not agreement(look, forged(world, judged_with(first))).holds
    world.registry_event("violation.undone", VERSION, detail={"violation": second})
    assert agreement(look, forged(world, judged_with())).holds
