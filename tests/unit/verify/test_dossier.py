"""A report signed with a stolen PDF key, or by its operator: what no statement bears out is found.

The log and its statements are honest; only the pages' data is not.
"""

from __future__ import annotations

import json

import pytest

from muniment.attest import predicates
from tests.unit.verify.conftest import Look
from tests.unit.verify.forging import (
    Dossier,
    Edit,
    agreement,
    allowed,
    as_preview,
    forged,
    satisfied_gates,
    verified_legs,
    without_alias_history,
    without_bias,
    without_events,
)
from tests.unit.verify.story import (
    FIRST_VERSION,
    LEGS,
    PROVENANCE,
    VERSION,
)
from tests.unit.verify.world import World

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
    verification = look(forged(honest, lambda dossier: dossier.update(blessings=["everything"])))
    assert verification.holds
    assert any("blessings" in limit for limit in verification.limits)


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
