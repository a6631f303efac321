"""Every refusal is a page that says what happened and what to do; no traceback reaches anyone."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import DatabaseError
from django.http import HttpResponse
from django.test import Client

from registry.web.views import inventory
from tests.integration.web.forms import post, text_of
from tests.integration.web.world import World

Enter = Callable[[str], Client]
NOWHERE = [
    "/no-such-page",
    "/models/no-such-model/",
    "/models/boston-mortgage/versions/99/",
    "/models/boston-mortgage/versions/99999999999999999999/",
    "/models/%00/",
    f"/promotions/{uuid4()}/",
    f"/evidence/{uuid4()}/",
    f"/log/entries/{'0' * 64}/",
    "/log/leaves/999999/",
    "/log/leaves/99999999999999999999999/",
    f"/policies/{'0' * 64}/",
    f"/reports/jobs/{uuid4()}/",
    f"/reports/{uuid4()}.pdf",
    "/find?uri=muniment://default/models/x@1",
    "/find?uri=%00",
    "/find",
]
NONSENSE = [
    f"{page}?{query}"
    for page in ("/", "/promotions/", "/models/boston-mortgage/")
    for query in ("page=0", "page=x", "page=" + "9" * 20, "state=%00", "q=%00", "tier=%00")
] + [
    f"/log/?{query}"
    for query in ("before=x", "before=" + "9" * 20, "event=%00", "model=%00", "violations=2")
]
TELLTALES = ("Traceback", "django.", "/work/", "Exception", "site-packages", "psycopg")


def assert_is_calm(answer: HttpResponse, status: int) -> str:
    assert answer.status_code == status
    said = text_of(answer)
    assert not [word for word in TELLTALES if word in answer.content.decode()]
    assert "Go to the models" in said or "Open it again" in said
    assert f"Status {status}" in said
    return said


def test_what_is_not_there_is_a_page(world: World, enter: Enter) -> None:
    client = enter("auditor")
    for address in NOWHERE:
        assert_is_calm(client.get(address), 404)


def test_people_keep_their_navigation_on_a_page_that_says_no(world: World, enter: Enter) -> None:
    client = enter("engineer")
    refused = post(client, "/models/boston-mortgage/versions/1/promotions", alias="champion")
    for answer in (client.get("/no-such-page"), refused):
        assert 'aria-label="Main"' in answer.content.decode()
        assert "Erin Engel" in text_of(answer)
    assert 'aria-label="Main"' not in Client().get("/no-such-page").content.decode()


def test_an_unexpected_fault_is_a_page_without_its_story(
    world: World, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise DatabaseError("secret detail of the database at /work/secret")

    client = enter("auditor")
    client.raise_request_exception = False
    monkeypatch.setattr(inventory, "inventory_counts", fail)
    said = assert_is_calm(client.get("/"), 500)
    assert "Something went wrong on our side" in said
    assert "secret" not in said


def test_a_request_that_the_policy_of_services_refuses_is_a_page(
    world: World, enter: Enter
) -> None:
    client = enter("engineer")
    champion = post(client, "/models/boston-mortgage/versions/1/promotions", alias="champion")
    assert "champion already" in assert_is_calm(champion, 400)
    ungoverned = post(client, "/models/boston-mortgage/versions/2/promotions", alias="staging")
    assert "not governed" in assert_is_calm(ungoverned, 400)
    world.request(2)
    twice = post(client, "/models/boston-mortgage/versions/2/promotions", alias="champion")
    assert "already has an open promotion" in assert_is_calm(twice, 409)
    long = post(
        client, "/models/boston-mortgage/versions/3/promotions", alias="champion", note="x" * 3000
    )
    assert "at most" in assert_is_calm(long, 400)


def test_a_query_that_makes_no_sense_is_ignored(world: World, enter: Enter) -> None:
    client = enter("auditor")
    for address in NONSENSE:
        assert client.get(address).status_code == 200, address


def test_pages_carry_the_strict_policy_and_are_not_framed(world: World, enter: Enter) -> None:
    for address in ("/", "/no-such-page", "/sign-in"):
        answer = enter("auditor").get(address)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer["X-Frame-Options"] == "DENY"
