"""Two things at once over real HTTP: one outcome, and words for whoever came second."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from audits.domain.actor import GATE
from audits.models import LogEntry
from registry.models import Approval, Grant, Promotion
from registry.services.decisions import decide_promotion
from tests.conftest import serving
from tests.integration.approvals.conftest import Enter
from tests.integration.approvals.test_verdicts import CHANGED
from tests.integration.registry.signing import at_once
from tests.integration.rollback.story import promote
from tests.integration.web.forms import forms_of
from tests.integration.web.world import PASSWORD, V2_RACE, World, audit, lay_lineage


@pytest.fixture
def web(committed_database: str, settings: Settings) -> Iterator[str]:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    with serving() as url:
        yield url


class Tab:
    """A page that somebody has open: their form, filled in and not sent yet."""

    def __init__(self, web: str, client: Client, page: str, ending: str, **entered: str) -> None:
        forms = forms_of(client.get(page))
        action = next(action for action in forms if action.endswith(ending))
        self.address = web + action
        self.fields = {**forms[action], **entered}
        self.cookies = {name: client.cookies[name].value for name in client.cookies}

    def send(self) -> httpx.Response:
        return httpx.post(
            self.address,
            data=self.fields,
            cookies=self.cookies,
            headers={"Referer": self.address},
            timeout=30,
        )

    def send_and_hang_up(self) -> None:
        """Send the whole form, and lose the connection before the answer comes."""
        at = urlsplit(self.address)
        body = urlencode(self.fields)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with socket.create_connection((at.hostname, at.port)) as line:
            line.sendall(
                f"POST {at.path} HTTP/1.0\r\nHost: {at.netloc}\r\nCookie: {cookies}\r\n"
                f"Referer: {self.address}\r\nContent-Length: {len(body)}\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                f"{body}".encode()
            )


def review_tab(
    web: str, enter: Enter, promotion: Promotion, who: str, verdict: str = "approve"
) -> Tab:
    page = f"/promotions/{promotion.pk}/"
    return Tab(web, enter(who), page, "/review", verdict=verdict, reason="Read.", password=PASSWORD)


def all_at_once(*tabs: Tab) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    raised = at_once(*(lambda tab=tab: answers.append(tab.send()) for tab in tabs))
    assert raised == [None] * len(tabs)
    return sorted(answers, key=lambda answer: answer.status_code)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_reviewers_at_once_approve_it_once(world: World, enter: Enter, web: str) -> None:
    promotion = world.request(2)
    tabs = [review_tab(web, enter, promotion, who) for who in ("reviewer", "reviewer2")]
    assert [answer.status_code for answer in all_at_once(*tabs)] == [302, 302]
    promotion.refresh_from_db()
    assert promotion.status == "approved"
    assert (Approval.objects.count(), Grant.objects.count()) == (2, 1)


def test_an_approval_and_a_refusal_at_once_end_in_the_refusal(
    world: World, enter: Enter, web: str
) -> None:
    promotion = world.request(2)
    tabs = [
        review_tab(web, enter, promotion, "reviewer"),
        review_tab(web, enter, promotion, "reviewer2", verdict="refuse"),
    ]
    first, second = all_at_once(*tabs)
    promotion.refresh_from_db()
    assert promotion.status == "refused"
    assert first.status_code == 302
    if second.status_code != 302:
        assert second.status_code == 409
        assert "not in review: it is refused" in second.text
    assert not Grant.objects.exists()


def test_a_double_click_signs_once(world: World, enter: Enter, web: str) -> None:
    promotion = world.request(2)
    tab = review_tab(web, enter, promotion, "reviewer")
    first, second = all_at_once(tab, tab)
    assert (first.status_code, second.status_code) == (302, 409)
    assert "You have already signed a review of this evidence." in second.text
    assert Approval.objects.count() == 1


def test_a_form_sent_again_after_its_answer_was_lost_signs_once(
    world: World, enter: Enter, web: str
) -> None:
    promotion = world.request(2)
    tab = review_tab(web, enter, promotion, "reviewer")
    tab.send_and_hang_up()
    until(Approval.objects.exists)
    again = tab.send()
    assert again.status_code == 409
    assert "already signed" in again.text
    assert Approval.objects.count() == 1


def test_evidence_that_comes_while_somebody_signs_is_never_covered_by_it(
    world: World, enter: Enter, web: str
) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer2")
    tab = review_tab(web, enter, promotion, "reviewer")
    shown = world.evidence_digest(promotion)
    answers: list[httpx.Response] = []

    def new_evidence() -> None:
        audit(world, world.version(2), CHANGED)
        decide_promotion(promotion_id=promotion.pk, actor=GATE, now=world.tick())

    assert at_once(lambda: answers.append(tab.send()), new_evidence) == [None, None]
    promotion.refresh_from_db()
    assert world.evidence_digest(promotion) != shown
    assert promotion.status == "in_review"
    assert not promotion.approvals.filter(dismissal=None).exists()
    if answers[0].status_code != 302:
        assert answers[0].status_code == 409
        assert "The evidence has changed" in answers[0].text


def test_two_requests_at_once_are_one_promotion(world: World, enter: Enter, web: str) -> None:
    page = f"/models/{world.model().name}/versions/2/"
    tabs = [Tab(web, enter("engineer"), page, "/promotions", emergency="") for _ in range(2)]
    first, second = all_at_once(*tabs)
    assert (first.status_code, second.status_code) == (302, 409)
    assert "already has an open promotion to champion" in second.text
    assert Promotion.objects.count() == 1


def test_a_promotion_that_another_overtakes_is_reviewed_again(
    world: World, enter: Enter, web: str
) -> None:
    """Both wait for their last signature; whatever comes first, the alias is not moved twice."""
    overtaken = world.request(2)
    world.sign(overtaken, "reviewer2")
    tab = review_tab(web, enter, overtaken, "reviewer")
    lay_lineage(world, world.version(3), params={"C": "3.0"})
    audit(world, world.version(3), V2_RACE)
    promote(world, 3)
    late = tab.send()
    assert late.status_code == 409
    assert "The evidence has changed" in late.text
    decide_promotion(promotion_id=overtaken.pk, actor=GATE, now=world.tick())
    overtaken.refresh_from_db()
    assert overtaken.status == "in_review"
    assert not overtaken.approvals.filter(dismissal=None).exists()
    assert LogEntry.objects.filter(event="alias.moved").count() == 1
