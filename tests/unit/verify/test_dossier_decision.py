"""The decision that a report shows, against those that were signed and what counts now."""

from __future__ import annotations

import pytest

from muniment.attest import predicates
from tests.unit.verify.conftest import Look
from tests.unit.verify.forging import (
    Dossier,
    Edit,
    agreement,
    as_preview,
    forged,
    satisfied_bias,
    satisfied_gates,
)
from tests.unit.verify.story import (
    FIRST_VERSION,
    POLICY_REF,
    STREAM,
    VERSION,
    server_evidence_digest,
)
from tests.unit.verify.world import World


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
        lambda decision: decision["gates"][1].update(kind="lineage_complete"),
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


def test_a_withdrawn_dataset_denies_and_nothing_undoes_it(look: Look, world: World) -> None:
    """Left out of what is judged, called undone, or overlooked by the verdict, it is found."""

    def judged(verdict: str, *standing: str) -> Edit:
        digest = server_evidence_digest(world.statements(), standing=standing)

        def preview(dossier: Dossier) -> None:
            dossier["decision"].update(
                leaf_index=None, evidence_digest=f"sha256:{digest}", approvals_given=0
            )
            if verdict != "deny":
                satisfied_gates(dossier)
            dossier["decision"].update(verdict=verdict)

        return preview

    def withdraw(subject: str) -> str:
        detail = {"standing": True, "dataset": "sha256:" + "1" * 64, "cause": "consent"}
        world.registry_event("dataset.withdrawn", subject, violation=True, detail=detail)
        return str(world.statements()[-1]["sha256"])

    withdraw(FIRST_VERSION)  # of another version: nothing to this one
    assert agreement(look, forged(world, judged("deny"))).holds
    stated = withdraw(VERSION)
    assert agreement(look, forged(world, judged("deny", stated))).holds
    assert not agreement(look, forged(world, judged("deny"))).holds
    world.registry_event("violation.undone", VERSION, detail={"violation": stated})
    again = withdraw(VERSION)
    world.registry_event("dataset.forged", VERSION, detail={"supersedes": [again]})
    assert agreement(look, forged(world, judged("deny", stated, again))).holds
    assert not agreement(look, forged(world, judged("deny", again))).holds
    assert not agreement(look, forged(world, judged("deny", stated))).holds


def test_no_verdict_but_a_denial_stands_beside_a_withdrawn_dataset(
    look: Look, world: World
) -> None:
    world.leaves.pop()  # the signed denial, which alone would contradict it
    world.stream.pop()
    world.registry_event("dataset.withdrawn", VERSION, violation=True, detail={"standing": True})
    stated = str(world.statements()[-1]["sha256"])
    digest = server_evidence_digest(world.statements(), standing=[stated])
    decided = world.forked()
    decided.promotion("promotion.denied", "denied", **decided.decided("deny"))
    honest = decided.evidence()["dossier"]["decision"]

    def preview(verdict: str) -> Edit:
        def apply(dossier: Dossier) -> None:
            dossier["decision"] = {
                **honest,
                "leaf_index": None,
                "approvals_given": 0,
                "evidence_digest": f"sha256:{digest}",
            }
            if verdict != "deny":
                satisfied_gates(dossier)
            dossier["decision"].update(verdict=verdict)

        return apply

    assert agreement(look, forged(world, preview("deny"))).holds
    for verdict in ("pending", "allow"):
        found = agreement(look, forged(world, preview(verdict)))
        assert not found.holds
        assert "withdrawn dataset stands" in found.detail


@pytest.mark.parametrize(("shown", "holds"), [(1, True), (2, True), (0, False), (3, False)])
def test_as_many_approve_as_a_known_or_unknown_trainer_asks_for(
    look: Look, world: World, shown: int, holds: bool
) -> None:
    binding = {"model": STREAM, "policy": POLICY_REF["digest"], "risk_tier": "high"}
    world.state(
        predicates.POLICY,
        {"event": "policy.bound", **POLICY_REF, "unknown_trainer_adds": 1, "binding": binding},
        subject=STREAM,
    )
    world.promotion("promotion.denied", "denied", **world.decided("deny"))

    def another(dossier: Dossier) -> None:
        as_preview(dossier)
        dossier["decision"].update(approvals_required=shown, approvals_given=0)

    assert agreement(look, forged(world, another)).holds is holds
