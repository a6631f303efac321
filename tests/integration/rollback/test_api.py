"""Rollback grants over REST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from django.utils import timezone

from accounts.services.tokens import READ, ROLLBACK
from config.celery import app
from muniment.grant import read_unverified_grant
from registry.models import RollbackGrant
from tests.integration.api.answers import require_problem
from tests.integration.api.asking import Ask, ask_over_rest
from tests.integration.rollback import story
from tests.integration.web.world import PASSWORD, World

PATH = "/api/v1/rollbacks"
ASKED = {"model": "boston-mortgage", "version": 2, "alias": "champion", "note": "At night."}


@pytest.fixture
def ask(world: World) -> Ask:
    return ask_over_rest(world, READ, ROLLBACK)


@pytest.fixture
def worker() -> Iterator[None]:
    with start_worker(app, pool="solo", perform_ping_check=False, queues=["default"]):
        yield


@pytest.mark.usefixtures("worker")
def test_from_asking_to_the_token_to_the_review(world: World, ask: Ask) -> None:
    asked = ask(PATH, ASKED, who="engineer")
    assert asked.status_code == 201, asked.content
    said = asked.json()
    assert (said["state"], said["from_version"], said["to_version"]) == ("requested", 3, 2)
    own = f"{PATH}/{said['id']}"
    for who in ("reviewer", "reviewer2"):
        signed = ask(f"{own}/signature", {"verdict": "approve", "password": PASSWORD}, who=who)
        assert signed.status_code == 200, signed.content
    world.sequence()
    handed = ask(f"{own}/token", {}, who="engineer")
    assert handed.status_code == 200, handed.content
    assert handed["Cache-Control"] == "no-store"
    assert str(read_unverified_grant(handed.json()["token"]).grant_id) == said["id"]
    require_problem(ask(f"{own}/token", {}, who="engineer"), 409, "rollback_not_possible")
    story.see(world, 2, story.tag_of(RollbackGrant.objects.get(), at=timezone.now()))
    verdict = {"verdict": "accept", "reason": "v3 was broken.", "password": PASSWORD}
    assert ask(f"{own}/signature", verdict, who="reviewer").json()["state"] == "accepted"
    (listed,) = ask(PATH, who="auditor").json()["results"]
    assert listed == ask(own, who="auditor").json()
    assert listed["used_at"] is not None


def test_a_token_for_reading_writes_nothing(world: World, ask: Ask) -> None:
    rollback = story.request(world)
    own = f"{PATH}/{rollback.pk}"
    for path, content, who in (
        (PATH, ASKED, "engineer"),
        (f"{own}/token", {}, "engineer"),
        (f"{own}/revocation", {}, "engineer"),
        (f"{own}/signature", {"verdict": "approve", "password": PASSWORD}, "reviewer"),
    ):
        require_problem(ask(path, content, who=who, scopes=(READ,)), 403, "permission_denied")
        require_problem(ask(path, content, who=who, scopes=(ROLLBACK,)), 403, "permission_denied")
    require_problem(ask(own, who="auditor", scopes=(ROLLBACK,)), 403, "permission_denied")
    assert ask(own, who="auditor", scopes=(READ,)).json()["state"] == "requested"


def test_what_the_services_refuse_is_a_problem(world: World, ask: Ask, settings: Any) -> None:
    settings.REPORT_WAIT_SECONDS = 0
    for content, status, code in (
        ({}, 400, "invalid_input"),
        (ASKED | {"valid_days": 91}, 400, "invalid_input"),
        (ASKED | {"version": 1}, 409, "rollback_not_possible"),
        (ASKED | {"model": "nowhere"}, 404, "unknown_version"),
        (ASKED | {"alias": "challenger"}, 400, "alias_not_governed"),
    ):
        require_problem(ask(PATH, content, who="engineer"), status, code)
    require_problem(ask(PATH, ASKED, who="reviewer"), 403)
    rollback = story.approved(world)
    own = f"{PATH}/{rollback.pk}"
    assert ask(f"{own}/token", {}, who="engineer").status_code == 202
    require_problem(ask(f"{own}/token", {}, who="admin"), 403, "review_not_allowed")
    wrong = {"verdict": "reject", "reason": "No.", "password": PASSWORD}
    require_problem(ask(f"{own}/signature", wrong, who="reviewer"), 409, "rollback_not_possible")
    assert ask(f"{own}/revocation", {}, who="reviewer").json()["state"] == "revoked"
    nowhere = f"{PATH}/5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11"
    require_problem(ask(nowhere, who="auditor"), 404)
    require_problem(ask(f"{nowhere}/revocation", {}, who="admin"), 409, "rollback_not_possible")
