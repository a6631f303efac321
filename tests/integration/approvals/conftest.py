"""A world whose policy lets an admin waive what v1 fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from django.test import Client

from accounts.services.people import actor_of
from registry.models import Policy
from registry.services.bindings import bind_policy
from registry.services.policies import publish_policy
from tests.integration.web.world import MODEL, World
from tests.policies import lenient_credit_decision

Enter = Callable[[str], Client]


def changed_policy(world: World, *, name: str = MODEL, **approvals: object) -> Policy:
    """Publish and bind the next version of `credit-decision`: an admin may waive bias by race."""
    document = yaml.safe_load(lenient_credit_decision())
    document["version"] += 1 + Policy.objects.filter(name=document["name"]).count()
    document["approvals"].update(approvals)
    for gate in document["gates"]:
        if gate["id"] == "bias-race":
            gate["waivable_by"] = ["admin"]
    admin = actor_of(world.people["admin"])
    policy = publish_policy(
        document=yaml.safe_dump(document, allow_unicode=True).encode(),
        actor=admin,
        now=world.tick(),
    )
    bind_policy(
        registered_model=world.model(name),
        policy=policy,
        risk_tier="high",
        actor=admin,
        now=world.tick(),
    )
    return policy


@pytest.fixture
def waivable(world: World) -> World:
    changed_policy(world)
    return world


@pytest.fixture
def enter(world: World) -> Enter:
    """Give a signed-in client whose forms need their CSRF token, as a browser's do."""

    def sign_in(username: str) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.people[username], "django.contrib.auth.backends.ModelBackend")
        client.get("/policies/")
        return client

    return sign_in
