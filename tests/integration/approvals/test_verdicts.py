"""Asking for changes, commenting, and taking a verdict back."""

from __future__ import annotations

import pytest
from django.db import transaction

from accounts.services.people import actor_of, add_person
from audits.domain.actor import EXECUTOR, GATE, SETUP, Actor
from audits.errors import RoleRequired
from audits.models import LogEntry
from audits.selectors import decoded_statement
from registry.domain.promotion import PromotionEvent
from registry.errors import InvalidRequest, PromotionClosed, ReviewNotAllowed
from registry.models import Grant, Promotion
from registry.selectors.actions import promotions_awaiting
from registry.services.decisions import decide_promotion
from registry.services.locking import lock_promotion
from registry.services.review_answers import comment_on_promotion, take_review_back
from registry.services.stating import move_promotion
from registry.services.waivers import revoke_waiver
from tests.integration.approvals.conftest import Enter
from tests.integration.approvals.test_waivers import waive
from tests.integration.web.forms import send, text_of
from tests.integration.web.world import PASSWORD, V2_RACE, World, audit

CHANGED = {**V2_RACE, "Black": (99, 90, 65, 7)}


def third_reviewer(world: World) -> None:
    world.people["reviewer3"] = add_person(
        username="reviewer3",
        printed_name="Rosa Rau",
        password=PASSWORD,
        roles=["reviewer"],
        actor=SETUP,
        now=world.tick(),
    )


def ask_for_changes(world: World, promotion: Promotion, who: str = "reviewer") -> Promotion:
    return world.sign(promotion, who, verdict="request_changes", reason="Show the small cells.")


def take_back(world: World, promotion: Promotion, who: str) -> Promotion:
    return take_review_back(
        promotion_id=promotion.pk, actor=actor_of(world.people[who]), now=world.tick()
    )


def test_changes_asked_for_hold_it_up_until_new_evidence_answers(world: World) -> None:
    third_reviewer(world)
    promotion = world.request(2)
    with pytest.raises(InvalidRequest, match="which changes"):
        world.sign(promotion, "reviewer", verdict="request_changes")
    ask_for_changes(world, promotion)
    for who in ("reviewer2", "reviewer3"):
        assert world.sign(promotion, who).status == "in_review"
    decision = promotion.decisions.latest("entry_id")
    assert decision.verdict == "pending"
    assert decision.content["reasons"][0].startswith("A reviewer asked for changes")
    assert not Grant.objects.exists()
    entry = LogEntry.objects.get(event="approval.changes_requested")
    assert decoded_statement(entry).predicate["verdict"] == "request_changes"
    assert b"small cells" not in bytes(entry.envelope)
    audit(world, world.version(2), CHANGED)
    decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    for who in ("reviewer2", "reviewer"):
        promotion = world.sign(promotion, who)
    assert promotion.status == "approved"


def test_whoever_asked_for_changes_takes_that_back_and_then_approves(world: World) -> None:
    promotion = world.request(2)
    ask_for_changes(world, promotion)
    with pytest.raises(ReviewNotAllowed, match="already signed"):
        world.sign(promotion, "reviewer")
    assert promotion not in promotions_awaiting(world.people["reviewer"])
    take_back(world, promotion, "reviewer")
    assert promotion in promotions_awaiting(world.people["reviewer"])
    world.sign(promotion, "reviewer2")
    assert world.sign(promotion, "reviewer").status == "approved"


def test_an_approval_that_was_taken_back_counts_no_more(world: World) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer")
    assert world.sign(promotion, "reviewer2").status == "approved"
    assert take_back(world, promotion, "reviewer").status == "in_review"
    approval = promotion.approvals.get(person=world.people["reviewer"])
    assert approval.dismissal.reason == "Its signer took it back."
    assert approval.dismissal.entry.actor_id == str(world.people["reviewer"].pk)
    with pytest.raises(ReviewNotAllowed, match="still stands"):
        take_back(world, promotion, "reviewer")
    with pytest.raises(ReviewNotAllowed, match="taken back"):
        world.sign(promotion, "reviewer")
    refused = world.sign(promotion, "reviewer", verdict="refuse", reason="I was wrong.")
    assert refused.status == "refused"
    with pytest.raises(PromotionClosed, match="too late"):
        take_back(world, promotion, "reviewer2")


def test_once_the_alias_is_being_moved_nothing_is_taken_back(world: World) -> None:
    promotion = world.request(2)
    for who in ("reviewer", "reviewer2"):
        world.sign(promotion, who)
    with transaction.atomic():
        move_promotion(
            promotion=lock_promotion(promotion.pk),
            event=PromotionEvent.EXECUTION_STARTED,
            actor=EXECUTOR,
            now=world.tick(),
        )
    with pytest.raises(PromotionClosed, match="too late"):
        take_back(world, promotion, "reviewer")


def test_a_dismissed_approval_does_not_rise_when_the_evidence_is_as_it_was(
    waivable: World,
) -> None:
    world = waivable
    promotion = world.request(2)
    world.sign(promotion, "reviewer")
    shown = world.evidence_digest(promotion)
    waiver = waive(world)
    revoke_waiver(
        waiver_id=waiver.pk,
        reason="Not needed.",
        actor=actor_of(world.people["admin"]),
        now=world.tick(),
    )
    assert world.evidence_digest(promotion) == shown
    assert world.sign(promotion, "reviewer2").status == "in_review"


def test_a_comment_is_kept_with_its_author_and_counts_for_nothing(world: World) -> None:
    promotion = world.request(2)
    decided = promotion.decisions.count()
    comment_on_promotion(
        promotion_id=promotion.pk,
        text="Who measured the small cells?",
        actor=actor_of(world.people["auditor"]),
        now=world.tick(),
    )
    entry = LogEntry.objects.get(event="promotion.commented")
    assert entry.actor_id == str(world.people["auditor"].pk)
    assert b"small cells" not in bytes(entry.envelope)
    assert promotion.decisions.count() == decided
    nobody = Actor(kind="person", id=str(world.people["auditor"].pk))
    for actor, text, refusal in (
        (nobody, "Hello.", RoleRequired),
        (GATE, "Hello.", RoleRequired),
        (actor_of(world.people["auditor"]), "  ", InvalidRequest),
        (actor_of(world.people["auditor"]), "a\x00b", InvalidRequest),
    ):
        with pytest.raises(refusal):
            comment_on_promotion(
                promotion_id=promotion.pk, text=text, actor=actor, now=world.tick()
            )


def test_the_page_takes_each_of_them(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    page = f"/promotions/{promotion.pk}/"
    auditor = enter("auditor")
    send(auditor, page, "/comment", text="<i>Which</i> cells?")
    assert "&lt;i&gt;Which&lt;/i&gt; cells?" in auditor.get(page).content.decode()
    client = enter("reviewer")
    blank = send(client, page, "/review", verdict="request_changes", password=PASSWORD)
    assert blank.status_code == 400
    assert "which changes you ask for" in text_of(blank)
    send(
        client,
        page,
        "/review",
        verdict="request_changes",
        reason="Show the small cells.",
        password=PASSWORD,
    )
    said = text_of(enter("engineer").get(page))
    assert "Changes asked for" in said
    assert "Show the small cells." in said
    assert send(client, page, "/take-back").status_code == 302
    assert "Its signer took it back." in text_of(client.get(page))
    assert send(client, page, "/review", verdict="approve", password=PASSWORD).status_code == 302
