"""Who is told of a promotion, by a real mail server too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.selectors import notices_of
from accounts.services.notice_mails import send_due_mails
from accounts.services.people import actor_of
from audits.domain.actor import GATE
from audits.models import LogEntry
from audits.selectors import decoded_statement
from registry.errors import InvalidRequest, PromotionClosed, ReviewNotAllowed
from registry.models import Promotion
from registry.services.assignments import assign_reviewers
from registry.services.decisions import decide_promotion
from tests.integration.approvals.conftest import Enter
from tests.integration.approvals.test_verdicts import CHANGED
from tests.integration.notices.postbox import Postbox, open_postbox
from tests.integration.web.forms import send, text_of
from tests.integration.web.world import World, audit


@pytest.fixture
def postbox(world: World, settings: Settings) -> Iterator[Postbox]:
    """A mail server that Muniment knows, and an address for everybody."""
    for name, person in world.people.items():
        User.objects.filter(pk=person.pk).update(email=f"{name}@bank.example")
    with open_postbox() as box:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        settings.EMAIL_USE_TLS = False
        settings.MUNIMENT_URL = "https://muniment.bank.example"
        yield box


def subjects(world: World, who: str) -> list[str]:
    return [notice.subject for notice in notices_of(world.people[who])]


def assign(world: World, promotion: Promotion, who: str, *people: str) -> Promotion:
    return assign_reviewers(
        promotion_id=promotion.pk,
        people=[str(world.people[name].pk) for name in people],
        actor=actor_of(world.people[who]),
        now=world.tick(),
    )


def test_those_who_may_review_are_told_by_a_message_of_two_forms(
    world: World, postbox: Postbox
) -> None:
    promotion = world.request(2)
    send_due_mails(clock=timezone.now)
    assert sorted(postbox.recipients()) == ["reviewer2@bank.example", "reviewer@bank.example"]
    message = postbox.taken[0].message
    assert message["Subject"] == "[Muniment] A promotion waits for your review."
    link = f"https://muniment.bank.example/promotions/{promotion.pk}/#decide"
    assert link in postbox.taken[0].body
    html = message.get_body(("html",))
    assert html is not None
    assert f'href="{link}"' in html.get_content()
    assert "boston-mortgage" not in postbox.taken[0].body
    for nobody in ("engineer", "auditor", "admin"):
        assert subjects(world, nobody) == []


def test_who_was_asked_is_told_and_nobody_else(world: World, postbox: Postbox) -> None:
    promotion = world.request(2)
    send_due_mails(clock=timezone.now)
    assign(world, promotion, "engineer", "reviewer2")
    assign(world, promotion, "admin", "reviewer2")
    entry = LogEntry.objects.get(event="promotion.reviewers_assigned")
    assert decoded_statement(entry).predicate["reviewers"] == [str(world.people["reviewer2"].pk)]
    audit(world, world.version(2), {"White": (841, 841, 779, 0)})
    closed = decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    assert closed.status == "denied"
    with pytest.raises(PromotionClosed):
        assign(world, promotion, "engineer", "reviewer")
    for who, people, refusal in (
        ("reviewer", ["reviewer2"], ReviewNotAllowed),
        ("engineer", ["engineer"], InvalidRequest),
        ("engineer", ["auditor", "reviewer"], InvalidRequest),
        ("engineer", [], InvalidRequest),
    ):
        audit(world, world.version(2), CHANGED)
        again = Promotion.objects.filter(status="in_review").first() or world.request(2)
        with pytest.raises(refusal):
            assign(world, again, who, *people)


def test_signers_and_requesters_are_told_what_became_of_it(world: World) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer")
    audit(world, world.version(2), CHANGED)
    decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())
    assert subjects(world, "reviewer")[0].startswith("A review that you signed counts no more")
    assert not any("signed counts" in subject for subject in subjects(world, "reviewer2"))
    world.sign(promotion, "reviewer", verdict="request_changes", reason="Show the cells.")
    assert subjects(world, "engineer") == [
        "A reviewer asks for changes before a promotion that you requested."
    ]
    world.sign(promotion, "reviewer2", verdict="refuse", reason="No.")
    assert subjects(world, "engineer")[0] == (
        "A promotion that you requested was refused by a reviewer."
    )
    waiting = notices_of(world.people["reviewer"]).filter(subject__startswith="A promotion waits")
    assert waiting.exists()
    assert not waiting.filter(settled_at=None).exists()


def test_the_page_asks_certain_people(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    page = f"/promotions/{promotion.pk}/"
    assert "Ask certain people" not in text_of(enter("reviewer").get(page))
    asked = str(world.people["reviewer2"].pk)
    assert send(enter("engineer"), page, "/assign", person=asked).status_code == 302
    assert "Asked to review it Remy Roth" in text_of(enter("auditor").get(page))
