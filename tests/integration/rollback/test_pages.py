"""Rollback grants on their pages: asked for, signed, downloaded once, revoked, reviewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from django.test import Client

from config.celery import app
from muniment.grant import read_unverified_grant
from registry.models import Promotion, RollbackGrant
from tests.integration.rollback import story
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import PASSWORD, World

Enter = Callable[[str], Client]
TARGET = "/models/boston-mortgage/versions/2/"


@pytest.fixture
def worker() -> Iterator[None]:
    """A worker that does what is in the queue, in a thread of this process."""
    with start_worker(app, pool="solo", perform_ping_check=False, queues=["default"]):
        yield


def page_of(rollback: RollbackGrant) -> str:
    return f"/rollbacks/{rollback.pk}/"


@pytest.mark.usefixtures("worker")
def test_from_the_versions_page_to_the_file_that_is_there_once(world: World, enter: Enter) -> None:
    engineer = enter("engineer")
    send(engineer, TARGET, "/rollbacks", note="If v3 goes wrong at night.", valid_days="7")
    rollback = RollbackGrant.objects.get()
    assert (rollback.expires_at - rollback.requested_at).days == 7
    page = page_of(rollback)
    said = text_of(engineer.get(page))
    assert "0 of 2 signatures" in said
    assert "Your decision" not in said
    for who in ("reviewer", "reviewer2"):
        answer = send(enter(who), page, "/sign", verdict="approve", password=PASSWORD)
        assert (answer.status_code, answer["Location"]) == (302, page)
    world.sequence()
    assert not any(action.endswith("/token") for action in forms_of(enter("reviewer").get(page)))
    answer = send(engineer, page, "/token")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == (
        'attachment; filename="muniment-rollback-boston-mortgage-v3-to-v2.grant"'
    )
    assert answer["Cache-Control"] == "no-store"
    assert read_unverified_grant(answer.content.decode().strip()).grant_id == rollback.pk
    assert forms_of(engineer.get(page)).keys() == {f"{page}revoke"}
    again = post(engineer, f"{page}token")
    assert again.status_code == 409
    assert "handed out, which happens once" in text_of(again)


def test_what_was_typed_is_kept_where_the_password_is_wrong(world: World, enter: Enter) -> None:
    rollback = story.request(world)
    answer = send(
        enter("reviewer"),
        page_of(rollback),
        "/sign",
        verdict="refuse",
        reason="Version 2 is too old.",
        password="guess",
    )
    assert answer.status_code == 403
    said = text_of(answer)
    assert "so nothing was signed" in said
    assert "Version 2 is too old." in said
    assert not rollback.approvals.exists()


def test_only_whom_it_concerns_is_offered_to_do_something(world: World, enter: Enter) -> None:
    rollback = story.request(world)
    page = page_of(rollback)
    offered = {who: set(forms_of(enter(who).get(page))) for who in world.people}
    assert offered == {
        "engineer": {f"{page}revoke"},
        "reviewer": {f"{page}sign", f"{page}revoke"},
        "reviewer2": {f"{page}sign", f"{page}revoke"},
        "admin": {f"{page}revoke"},
        "auditor": set(),
    }
    for ending, status in (("sign", 403), ("token", 403), ("revoke", 403), ("review", 403)):
        answer = post(
            enter("auditor"), page + ending, verdict="approve", password=PASSWORD, reason="x"
        )
        assert answer.status_code == status, ending
    # The one who asked is told why they cannot sign, whatever else they are.
    asker = world.people["engineer"]
    asker.roles = ["engineer", "reviewer"]
    asker.save()
    assert "nobody reviews their own request" in text_of(enter("engineer").get(page))


def test_a_version_that_never_passed_offers_no_rollback(world: World, enter: Enter) -> None:
    for number, is_offered in ((1, False), (2, True), (3, False)):
        page = f"/models/boston-mortgage/versions/{number}/"
        offered = forms_of(enter("engineer").get(page))
        assert (f"{page}rollbacks" in offered) is is_offered
        assert f"{page}rollbacks" not in forms_of(enter("reviewer").get(page))
    for number, is_offered in ((2, False), (3, True)):
        promotion = Promotion.objects.get(version__version=number)
        said = text_of(enter("auditor").get(f"/promotions/{promotion.pk}/"))
        assert ("have a rollback grant to v2 signed" in said) is is_offered
    answer = post(
        enter("engineer"),
        "/models/boston-mortgage/versions/1/rollbacks",
        alias="champion",
        note="n",
        valid_days="30",
    )
    assert answer.status_code == 409
    assert "never became champion by a promotion" in text_of(answer)
    for days in ("", "-1", "3.5", "9" * 400, "٣"):
        answer = post(
            enter("engineer"), f"{TARGET}rollbacks", alias="champion", note="n", valid_days=days
        )
        assert answer.status_code == 400


def test_a_use_alarms_on_every_page_until_a_reviewer_has_looked(world: World, enter: Enter) -> None:
    rollback, _ = story.handed_out(world)
    story.see(world, 2, story.tag_of(rollback, at=world.tick()))
    assert "A rollback grant was used while Muniment was not asked" in text_of(
        enter("auditor").get("/policies/")
    )
    page, reviewer = page_of(rollback), enter("reviewer")
    assert "champion is v2 now" in text_of(reviewer.get(page))
    answer = send(reviewer, page, "/review", verdict="accept", reason="", password=PASSWORD)
    assert answer.status_code == 400
    send(reviewer, page, "/review", verdict="accept", reason="v3 was broken.", password=PASSWORD)
    said = text_of(reviewer.get(page))
    assert "Use accepted" in said
    assert "v3 was broken." in said
    assert "A rollback grant was used" not in text_of(enter("auditor").get("/policies/"))
    history = text_of(reviewer.get("/models/boston-mortgage/aliases/"))
    assert "A rollback grant" in history


def test_the_list_says_what_to_do_when_empty_and_where_each_stands(
    world: World, enter: Enter
) -> None:
    auditor = enter("auditor")
    assert "No rollback grants yet" in text_of(auditor.get("/rollbacks/"))
    story.request(world, valid_days=1)
    assert "Waits for signatures" in text_of(auditor.get("/rollbacks/"))
    RollbackGrant.objects.update(expires_at=world.now)
    assert "Expired" in text_of(auditor.get("/rollbacks/"))
    assert "worth nothing any more" in text_of(auditor.get(page_of(RollbackGrant.objects.get())))
    assert auditor.get("/rollbacks/5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11/").status_code == 404
    rollback, _ = story.handed_out(world)
    page, admin = page_of(rollback), enter("admin")
    send(admin, page, "/revoke")
    assert "MLflow cannot know that" in text_of(admin.get(page))
    assert forms_of(admin.get(page)) == {}


def test_where_no_worker_signs_nothing_is_handed_out(
    world: World, enter: Enter, settings: Any
) -> None:
    settings.REPORT_WAIT_SECONDS = 0
    rollback = story.approved(world)
    engineer = enter("engineer")
    answer = send(engineer, page_of(rollback), "/token")
    assert answer["Location"] == page_of(rollback)
    assert "not signed yet" in text_of(engineer.get(page_of(rollback)))
    assert RollbackGrant.objects.get().status == "approved"
