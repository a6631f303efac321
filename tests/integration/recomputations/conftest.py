"""Asking over REST and on pages, as somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from accounts.services.people import actor_of
from accounts.services.tokens import READ, RECOMPUTE
from audits.models import Job
from registry.services.bindings import bind_policy
from registry.services.policies import publish_policy
from tests.integration.api.asking import Ask, ask_over_rest
from tests.integration.recomputations.ordering import lay_captured
from tests.integration.registry.live import LiveRegistry, empty_mlflow
from tests.integration.web.world import V2_RACE, World, audit, build_people, fresh_log
from tests.policies import lenient_credit_decision


@pytest.fixture
def ask(world: World) -> Ask:
    return ask_over_rest(world, READ, RECOMPUTE)


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
    document = lenient_credit_decision(version=2).replace("\napprovals:", GATE, 1)
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
