"""What time undoes: a waiver's end and an approval's, of what is open and of a champion."""

from __future__ import annotations

import pytest

from audits.models import Alarm
from registry.errors import InvalidRequest
from registry.models import ModelAlias, Promotion
from registry.services.champion_watch import decide_lapsed_promotions, refresh_lapsed_alarm
from registry.services.evaluation import evaluate_version
from tests.integration.approvals.conftest import Enter, changed_policy
from tests.integration.approvals.test_waivers import failing, waive
from tests.integration.rollback.story import promote
from tests.integration.web.forms import send, text_of
from tests.integration.web.world import PASSWORD, World

LAPSED = "registry.champion_lapsed"


def look(world: World) -> str:
    """Look what has lapsed; return what the alarm says, if there is one."""
    decide_lapsed_promotions(now=world.now)
    refresh_lapsed_alarm(now=world.now)
    alarm = Alarm.objects.filter(code=LAPSED, cleared_at=None).first()
    return alarm.message if alarm else ""


def reviewed(world: World) -> tuple[str, str]:
    decision = evaluate_version(
        version=world.version(2), alias="champion", as_of=world.now
    ).decision
    assert decision is not None
    return decision.verdict.value, decision.approvals.reason


def test_an_open_promotion_is_decided_again_when_its_waiver_ends(waivable: World) -> None:
    world = waivable
    failing(world)
    waiver = waive(world)
    promotion = world.request(2)
    look(world)
    assert Promotion.objects.get(pk=promotion.pk).status == "in_review"
    world.now = waiver.until
    look(world)
    promotion.refresh_from_db()
    assert promotion.status == "denied"
    assert "Waived" not in promotion.decisions.latest("entry_id").content["reasons"][0]


def test_a_champion_whose_waiver_ended_alarms_and_keeps_its_alias(waivable: World) -> None:
    world = waivable
    failing(world)
    waiver = waive(world)
    promote(world, 2)
    assert look(world) == ""
    world.now = waiver.until
    assert "the waiver of gate bias-race has ended" in look(world)
    assert ModelAlias.objects.get(alias="champion").version == world.version(2)
    waive(world, reason="Until the next training.")
    assert look(world) == ""


def test_a_champion_is_reviewed_again_on_the_evidence_of_the_day(
    world: World, enter: Enter
) -> None:
    promote(world, 2)
    with pytest.raises(InvalidRequest, match="is champion already"):
        world.request(2)
    # The policy's next version asks for it, and for signatures of its own.
    changed_policy(world, review_every_days=30)
    again = world.request(2)
    for who in ("reviewer", "reviewer2"):
        again = world.sign(again, who)
    assert again.status == "approved"
    assert reviewed(world)[0] == "allow"
    assert look(world) == ""
    world.tick(days=30)
    verdict, reason = reviewed(world)
    assert (verdict, reason[:22]) == ("pending", "The review is overdue:")
    assert "champion: review overdue" in look(world)


def test_the_page_offers_the_review_of_a_champion(world: World, enter: Enter) -> None:
    promote(world, 2)
    page = f"/models/{world.model().name}/versions/2/"
    assert "Request the review" not in text_of(enter("engineer").get(page))
    changed_policy(world, review_every_days=30)
    answer = send(enter("engineer"), page, "/promotions", note="The review of this month.")
    client = enter("reviewer")
    said = text_of(client.get(answer["Location"]))
    assert "it holds champion already: a periodic review" in said
    signed = send(client, answer["Location"], "/review", verdict="approve", password=PASSWORD)
    assert signed.status_code == 302


def test_the_policy_says_how_long_approvals_count(world: World, enter: Enter) -> None:
    policy = changed_policy(world, review_every_days=30)
    page = enter("auditor").get(f"/policies/{policy.digest.removeprefix('sha256:')}/")
    assert "Approvals count for 30 days" in text_of(page)
