"""Recomputations over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.services.tokens import READ, RECOMPUTE
from lineage.models import Recomputation
from tests.integration.api.answers import require_problem
from tests.integration.recomputations.ordering import Computing, lay_captured, order, perform
from tests.integration.web.world import World

PATH = "/api/v1/models/boston-mortgage/versions/2/recomputations"
Ask = Callable[..., Any]


def test_from_the_order_to_the_verdict(world: World, ask: Ask) -> None:
    lay_captured(world, 2)
    assert ask(PATH, who="auditor").json() == {
        "schema_version": 1,
        "count": 0,
        "next_page": None,
        "results": [],
    }
    ordered = ask(PATH, {"repeats": 3}, who="engineer")
    assert ordered.status_code == 201, ordered.content
    said = ordered.json()
    assert (said["status"], said["verdict"], said["repeats"]) == ("queued", None, 3)
    assert said["negative_control"] is True
    assert said["requested_by"] == str(world.people["engineer"].pk)
    again = require_problem(ask(PATH, {}, who="reviewer"), 409, "recomputation_open")
    assert "cancel it first" in again["detail"]
    perform(Recomputation.objects.get(), Computing())
    own = f"/api/v1/recomputations/{said['id']}"
    ended = ask(own, who="auditor").json()
    assert (ended["status"], ended["verdict"], ended["failure"]) == ("done", "identical", "")
    assert ended["legs"]["data"] == {"outcome": "held", "reason": ""}
    assert ended["measurements"]["metrics"]["accuracy"]["difference"] == 0.0
    evidence = Recomputation.objects.get().evidence
    assert evidence is not None
    assert ended["evidence_digest"] == f"sha256:{evidence.entry.sha256}"
    (listed,) = ask(PATH, who="auditor").json()["results"]
    assert listed == ended
    closed = require_problem(
        ask(f"{own}/cancellation", {}, who="engineer"), 409, "recomputation_closed"
    )
    assert closed["detail"] == "This recomputation has ended: it is done."


def test_one_is_cancelled(world: World, ask: Ask) -> None:
    lay_captured(world, 2)
    own = f"/api/v1/recomputations/{order(world, 2).pk}/cancellation"
    assert ask(own, {}, who="admin").json()["status"] == "cancelled"


def test_who_may_not_is_refused_and_nothing_is_ordered(world: World, ask: Ask) -> None:
    lay_captured(world, 2)
    for scopes in ((READ,), (RECOMPUTE,)):
        require_problem(ask(PATH, {}, who="engineer", scopes=scopes), 403, "permission_denied")
    require_problem(ask(PATH, {}, who="auditor"), 403, "role_required")
    assert ask(PATH, who="auditor", scopes=(READ,)).status_code == 200
    assert not Recomputation.objects.exists()


def test_what_the_services_refuse_is_a_problem(world: World, ask: Ask) -> None:
    for content in ({"repeats": 0}, {"repeats": 11}, {"repeats": "x"}, {"negative_control": 7}):
        require_problem(ask(PATH, content, who="engineer"), 400, "invalid_input")
    unknown = PATH.replace("/2/", "/9/")
    require_problem(ask(unknown, {}, who="engineer"), 404, "unknown_version")
    nowhere = "/api/v1/recomputations/5f0c1b7e-58a5-4b3b-9c5e-0d7a1f3c2b11"
    require_problem(ask(nowhere, who="auditor"), 404)
    require_problem(ask(f"{nowhere}/cancellation", {}, who="admin"), 404)
    assert not Recomputation.objects.exists()
