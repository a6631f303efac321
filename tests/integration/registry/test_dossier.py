"""What a report says was decided: never more than somebody signed."""

from __future__ import annotations

from audits.domain.dossier import Dossier
from audits.models import LogLeaf
from audits.selectors import latest_checkpoint
from registry.services.dossier import build_dossier
from tests.integration.web.world import V1_RACE, V2_RACE, World, audit


def dossier_of(world: World, number: int) -> Dossier:
    world.sequence()
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    return build_dossier(
        version=world.version(number),
        leaves=dict(LogLeaf.objects.values_list("entry_id", "leaf_index")),
        checkpoint=bytes(checkpoint.note),
        requested_by=world.people["auditor"].pk,
        now=world.tick(),
    )


def test_better_evidence_after_a_denial_leaves_the_denial_in_the_report(world: World) -> None:
    audit(world, world.version(2), V1_RACE)
    assert world.request(2).status == "denied"
    audit(world, world.version(2), V2_RACE)
    decision = dossier_of(world, 2).decision
    assert decision is not None
    assert decision.verdict == "deny"
    assert decision.leaf_index is not None


def test_worse_evidence_after_an_open_review_shows_in_the_report(world: World) -> None:
    promotion = world.request(2)
    assert promotion.status == "in_review"
    signed = dossier_of(world, 2).decision
    audit(world, world.version(2), V1_RACE)
    decision = dossier_of(world, 2).decision
    assert signed is not None
    assert signed.verdict == "pending"
    assert decision is not None
    assert decision.verdict == "deny"


def test_without_a_request_the_report_shows_a_preview(world: World) -> None:
    decision = dossier_of(world, 2).decision
    assert decision is not None
    assert decision.leaf_index is None
