"""Who may see pages at all, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.test import Client

from registry.models import Promotion
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import PASSWORD, World

PAGES = [
    "/",
    "/models.csv",
    "/aliases.csv",
    "/models/boston-mortgage/aliases.csv",
    "/plan.csv",
    "/find",
    "/plan/",
    "/models/boston-mortgage/",
    "/models/boston-mortgage/aliases/",
    "/aliases/",
    "/models/boston-mortgage/versions/1/",
    "/models/boston-mortgage/versions/2/",
    "/models/boston-mortgage/versions/3/",
    "/violations/",
    "/promotions/",
    "/log/",
    "/log/health",
    "/notices/",
    "/credentials/",
    "/policies/",
    "/evaluation-sets/",
]


def test_every_page_but_the_public_ones_asks_to_sign_in(world: World) -> None:
    client = Client()
    for page in [*PAGES, "/no-such-page/"]:
        answer = client.get(page)
        if page == "/no-such-page/":
            assert answer.status_code == 404
        else:
            assert answer.status_code == 302, page
            assert answer["Location"].startswith("/sign-in?next="), page
    assert client.get("/log/checkpoint").status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/sign-in").status_code == 200
    assert client.get("/new-password").status_code == 200


def test_pages_answer_for_every_role(world: World, enter: Callable[[str], Client]) -> None:
    promotion = world.request(2, note="Fairer, at the same accuracy.")
    for username in world.people:
        client = enter(username)
        for page in [*PAGES, f"/promotions/{promotion.pk}/"]:
            if page != "/find":
                assert client.get(page).status_code == 200, (username, page)


def test_an_auditor_is_offered_reports_comments_and_what_is_their_own(
    world: World, enter: Callable[[str], Client]
) -> None:
    promotion = world.request(2)
    client = enter("auditor")
    offered = {
        action
        for page in [*PAGES[6:], f"/promotions/{promotion.pk}/"]
        for action in forms_of(client.get(page))
    }
    reports = {f"/models/boston-mortgage/versions/{number}/report" for number in (1, 2, 3)}
    own = {"/notices/e-mail", "/credentials/codes", "/credentials/passkeys"}
    assert offered == {*reports, *own, f"/promotions/{promotion.pk}/comment"}


def test_a_form_that_was_not_offered_is_refused_in_words(
    world: World, enter: Callable[[str], Client]
) -> None:
    promotion = world.request(2)
    clients = {username: enter(username) for username in world.people}
    for username, address in [
        ("auditor", "/models/boston-mortgage/versions/2/promotions"),
        ("reviewer", "/models/boston-mortgage/versions/2/promotions"),
        ("auditor", "/models/boston-mortgage/policy"),
        ("engineer", "/models/boston-mortgage/policy"),
        ("auditor", f"/promotions/{promotion.pk}/review"),
        ("engineer", f"/promotions/{promotion.pk}/review"),
        ("admin", f"/promotions/{promotion.pk}/review"),
        ("reviewer", f"/promotions/{promotion.pk}/withdraw"),
    ]:
        answer = post(
            clients[username],
            address,
            alias="champion",
            verdict="approve",
            meaning="I approve.",
            password=PASSWORD,
            evidence_digest=world.evidence_digest(promotion),
            binding=f"{world.policy.digest} high" if world.policy else "",
        )
        assert answer.status_code == 403, (username, address)
        assert "You may not do this" in text_of(answer)
        assert "role" in text_of(answer)
        assert Promotion.objects.get().status == "in_review"
    assert not promotion.approvals.exists()


def test_a_wrong_password_says_so_and_too_many_lock_with_a_page(world: World) -> None:
    client = Client()
    first = client.post("/sign-in", {"username": "engineer", "password": "wrong"})
    assert first.status_code == 200
    assert "This is not a user name with its password" in text_of(first)
    for _ in range(settings.AXES_FAILURE_LIMIT):
        last = client.post("/sign-in", {"username": "engineer", "password": "wrong"})
    assert last.status_code == 429
    assert "Wait 15 minutes" in text_of(last)
    right = client.post("/sign-in", {"username": "engineer", "password": PASSWORD})
    assert right.status_code == 429
    assert client.get("/").status_code == 302


def test_signing_in_leads_on_within_the_product_only(world: World) -> None:
    for target, expected in [("/log/", "/log/"), ("https://elsewhere.example/", "/")]:
        client = Client()
        answer = client.post(
            "/sign-in", {"username": "auditor", "password": PASSWORD, "next": target}
        )
        assert answer["Location"] == expected


def test_people_sign_in_through_the_form(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = send(client, "/sign-in", "/sign-in", username="engineer", password=PASSWORD)
    assert answer["Location"] == "/"
    assert "Erin Engel" in text_of(client.get("/"))
    assert client.get("/sign-in")["Location"] == "/"


def test_signing_out_takes_a_form(world: World, enter: Callable[[str], Client]) -> None:
    client = enter("auditor")
    assert client.get("/sign-out").status_code == 405
    assert client.get("/").status_code == 200
    assert post(client, "/sign-out").status_code == 302
    assert client.get("/").status_code == 302


def test_a_form_without_its_token_is_refused_with_a_page(
    world: World, enter: Callable[[str], Client]
) -> None:
    client = enter("engineer")
    answer = client.post("/models/boston-mortgage/versions/2/promotions", {"alias": "champion"})
    assert answer.status_code == 403
    assert "This form has expired" in text_of(answer)
    assert not Promotion.objects.exists()


def test_the_nav_counts_what_waits_for_the_person(
    world: World, enter: Callable[[str], Client]
) -> None:
    promotion = world.request(2)
    waiting = "1 needs your action"
    assert waiting in text_of(enter("reviewer").get("/"))
    assert waiting not in text_of(enter("engineer").get("/"))
    assert waiting not in text_of(enter("auditor").get("/"))
    world.sign(promotion, "reviewer")
    assert waiting not in text_of(enter("reviewer").get("/"))
    assert waiting in text_of(enter("reviewer2").get("/"))


def test_forms_work_through_the_pages_that_offer_them(
    world: World, enter: Callable[[str], Client]
) -> None:
    answer = send(
        enter("engineer"),
        "/models/boston-mortgage/versions/2/",
        "/promotions",
        note="Ready for review.",
    )
    promotion = Promotion.objects.get()
    assert answer["Location"] == f"/promotions/{promotion.pk}/"
    assert (promotion.status, promotion.note) == ("in_review", "Ready for review.")
