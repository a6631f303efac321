"""Asking over REST and on pages, as somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services.people import actor_of
from accounts.services.tokens import READ, RECOMPUTE, issue_token
from audits.models import Job
from registry.services.bindings import bind_policy
from registry.services.policies import publish_policy
from tests.integration.recomputations.ordering import lay_captured
from tests.integration.registry.live import LiveRegistry, empty_mlflow
from tests.integration.web.world import ROOT, V2_RACE, World, audit, build_people, fresh_log


@pytest.fixture
def ask(world: World) -> Callable[..., Any]:
    """Post as somebody, with a token of theirs; without content, get."""

    def send(
        path: str, content: object = None, *, who: str, scopes: tuple[str, ...] = (READ, RECOMPUTE)
    ) -> Any:
        person = world.people[who]
        secret = issue_token(
            user=person,
            name="tests",
            scopes=scopes,
            ttl_seconds=3_600,
            actor=actor_of(person),
            now=timezone.now(),
        )
        headers = {"Authorization": f"Bearer {secret}"}
        if content is None:
            return Client().get(path, headers=headers)
        return Client().post(path, content, content_type="application/json", headers=headers)

    return send


@pytest.fixture
def enter(world: World) -> Callable[[str], Client]:
    """Give a signed-in client whose forms need their CSRF token, as a browser's do."""

    def sign_in(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[username], "django.contrib.auth.backends.ModelBackend")
        client.get("/policies/")
        return client

    return sign_in


@pytest.fixture
def live(mlflow_server: str, live_url: str, quick_passwords: None) -> Iterator[LiveRegistry]:
    """An MLflow registry with nothing in it, Muniment serving, people and keys; no model yet."""
    empty_mlflow()
    fresh_log()
    with LiveRegistry(mlflow_server) as registry:
        build_people(registry.world)
        yield registry


GATE = """
  - id: reproduced
    kind: recomputation
    title: Trained again, it comes out the same
    accepts: [computed]
    at_least: within_tolerance
    max_age_days: 30

approvals:"""


@pytest.fixture
def asking(world: World) -> World:
    """The world under a policy that asks for a recomputation too; v2's lineage was captured."""
    document = (ROOT / "policies/credit-decision.yaml").read_text()
    document = document.replace("version: 1", "version: 2", 1).replace("\napprovals:", GATE, 1)
    admin = actor_of(world.people["admin"])
    policy = publish_policy(document=document.encode(), actor=admin, now=world.tick())
    bind_policy(
        registered_model=world.model(),
        policy=policy,
        risk_tier="high",
        actor=admin,
        now=world.tick(),
    )
    lay_captured(world, 2)
    audit(world, world.version(2), V2_RACE)
    Job.objects.update(status=Job.Status.DONE)  # the world did that work without a worker
    return world
