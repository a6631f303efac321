"""The gate as CI asks it: its shape, its verdicts, and that asking changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.services.people import actor_of
from audits.domain.actor import EXECUTOR
from audits.models import Job
from registry.models import Promotion
from registry.services.aliases import record_alias
from registry.services.bindings import bind_policy
from registry.services.policies import publish_policy
from tests.integration.api.conftest import Ask
from tests.integration.web.world import (
    V1_RACE,
    V2_RACE,
    World,
    audit,
    lay_lineage,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)
from tests.unit.registry.every_kind import DOCUMENT

# Reading the token and its person included; lower it when the gate gets cheaper.
FROZEN_QUERIES = 2


def gate(number: int, name: str = "boston-mortgage", alias: str = "champion") -> str:
    return f"/api/v1/models/{name}/versions/{number}/gate?alias={alias}"


def answer_of(ask: Ask, number: int, **more: Any) -> dict[str, Any]:
    answer = ask(gate(number), **more)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def idle() -> None:
    Job.objects.update(status=Job.Status.DONE)


def crown(world: World, number: int) -> None:
    """Make a version champion as executing its promotion does."""
    promotion = Promotion.objects.filter(version=world.version(number)).first()
    if promotion is not None:
        Promotion.objects.filter(pk=promotion.pk).update(status="executed")
    with transaction.atomic():
        record_alias(
            registered_model=world.model(),
            alias="champion",
            version=world.version(number),
            actor=EXECUTOR,
            now=world.tick(),
        )


def test_gates_inside_a_gate_are_answered_for_too(world: World, ask: Ask) -> None:
    admin = actor_of(world.people["admin"])
    policy = publish_policy(document=DOCUMENT.encode(), actor=admin, now=world.tick())
    bind_policy(
        registered_model=world.model(),
        policy=policy,
        risk_tier="high",
        actor=admin,
        now=world.tick(),
    )
    checks = {one["id"]: one for one in answer_of(ask, 2)["checks"]}
    assert "checks" not in checks["lineage"]
    second_look, both = checks["examined"]["checks"]
    assert (second_look["id"], second_look["conclusion"]) == ("second-look", "insufficient")
    assert [one["id"] for one in both["checks"]] == ["accurate", "no-worse", "made-again"]
    assert both["checks"][0]["evidence_url"].startswith(f"{settings.MUNIMENT_URL}/evidence/")


def test_what_stands_in_the_way_says_who_clears_it(world: World, ask: Ask) -> None:
    bias = answer_of(ask, 1)["checks"][1]
    assert bias["conclusion"] == "unsatisfied"
    assert bias["remedy"] == {
        "who": "whoever trains",
        "what": "Register a version that meets the bound: these numbers were measured.",
        "command": "",
    }


def test_its_shape(world: World, ask: Ask) -> None:
    promotion = world.request(2)
    said = answer_of(ask, 2)
    assert set(said) >= {
        "schema_version",
        "decision",
        "policy",
        "evidence_digest",
        "checks",
        "approvals",
        "links",
        "evaluated_at",
    }
    assert said["schema_version"] == 1
    assert said["decision"] == "pending"
    assert world.policy is not None
    assert said["policy"] == {
        "name": "credit-decision",
        "version": 1,
        "digest": world.policy.digest,
    }
    assert said["evidence_digest"] == world.evidence_digest(promotion)
    assert datetime.fromisoformat(said["evaluated_at"]).tzinfo is not None
    assert [check["id"] for check in said["checks"]] == [
        "lineage",
        "bias-race",
        "bias-sex",
        "balanced-accuracy",
        "not-worse-than-champion",
    ]
    for check in said["checks"]:
        assert set(check) == {
            *("id", "status", "conclusion", "title", "reason"),
            *("expected", "actual", "evidence_url", "remedy"),
        }
        assert check["remedy"] is None
        assert check["status"] == "completed"
        assert check["conclusion"] == "satisfied"
        assert check["reason"].endswith(".")
    bias = said["checks"][1]
    assert bias["evidence_url"].startswith(f"{settings.MUNIMENT_URL}/evidence/")
    assert said["approvals"]["required"] == 2
    assert said["approvals"]["given"] == 0
    assert said["links"] == {
        "version": f"{settings.MUNIMENT_URL}/models/boston-mortgage/versions/2/",
        "promotion": f"{settings.MUNIMENT_URL}/promotions/{promotion.pk}/",
    }


def test_expected_and_actual_are_plain_numbers(world: World, ask: Ask) -> None:
    lay_lineage(world, world.version(3))
    audit(world, world.version(3), V1_RACE)
    idle()
    checks = {check["id"]: check for check in answer_of(ask, 3)["checks"]}
    race = checks["bias-race"]
    assert (race["conclusion"], race["expected"]) == ("unsatisfied", 0.8)
    assert race["actual"] == pytest.approx(0.7741, abs=5e-5)
    floor = checks["balanced-accuracy"]
    assert floor["expected"] == 0.55
    assert isinstance(floor["actual"], float)
    for name in ("bias-race", "bias-sex", "balanced-accuracy", "not-worse-than-champion"):
        for side in ("expected", "actual"):
            assert type(checks[name][side]) in (int, float), (name, side)


def test_asking_for_it_writes_nothing(world: World, ask: Ask) -> None:
    world.request(2)

    def rows() -> dict[str, int]:
        return {model._meta.db_table: model._base_manager.count() for model in apps.get_models()}

    answer_of(ask, 2)  # the token itself is written before the counting starts
    before = rows()
    with CaptureQueriesContext(connection) as captured:
        for number in (1, 2, 3):
            answer_of(ask, number)
    assert rows() == before
    written = [
        query["sql"]
        for query in captured.captured_queries
        if not query["sql"].lstrip().upper().startswith("SELECT")
    ]
    assert written == []


def test_missing_evidence_denies_unless_it_is_being_made(world: World, ask: Ask) -> None:
    walk(
        world,
        [row_of_the_world(), model_row("fresh")],
        [*rows_of_the_world(), version_row(4)],
    )
    said = answer_of(ask, 4)
    assert said["decision"] == "pending"
    assert {check["conclusion"] for check in said["checks"]} >= {None}
    assert {check["status"] for check in said["checks"]} >= {"in_progress"}
    idle()
    said = answer_of(ask, 4)
    assert said["decision"] == "deny"
    assert said["checks"][0]["conclusion"] == "insufficient"
    assert said["checks"][0]["reason"] == "There is no lineage record."


def test_a_failing_gate_denies_even_while_other_evidence_is_being_made(
    world: World, ask: Ask
) -> None:
    said = answer_of(ask, 3)
    assert said["checks"][0]["conclusion"] == "unsatisfied"  # no data set was recorded
    assert said["decision"] == "deny"


def test_only_approvals_missing_is_pending_requested_or_not(world: World, ask: Ask) -> None:
    assert answer_of(ask, 2)["decision"] == "pending"
    promotion = world.request(2)
    assert answer_of(ask, 2)["decision"] == "pending"
    world.sign(promotion, "reviewer")
    said = answer_of(ask, 2)
    assert (said["decision"], said["approvals"]["given"]) == ("pending", 1)
    assert said["approvals"]["approved_by"] == [str(world.people["reviewer"].pk)]


def test_it_allows_what_is_approved_and_the_champion_stays_allowed(world: World, ask: Ask) -> None:
    promotion = world.request(2)
    for reviewer in ("reviewer", "reviewer2"):
        world.sign(promotion, reviewer)
    said = answer_of(ask, 2)
    assert (said["decision"], said["reasons"]) == ("allow", [])
    crown(world, 2)
    idle()
    reigning = answer_of(ask, 2)
    assert reigning["decision"] == "allow"
    assert reigning["evidence_digest"] == said["evidence_digest"]


def test_a_champion_without_approvals_is_not_allowed(world: World, ask: Ask) -> None:
    idle()
    # The first champion was there before Muniment, and nobody has signed for it.
    assert answer_of(ask, 1)["decision"] == "deny"
    crown(world, 2)
    assert answer_of(ask, 2)["decision"] == "pending"


def test_new_evidence_takes_the_allowance_away(world: World, ask: Ask) -> None:
    promotion = world.request(2)
    for reviewer in ("reviewer", "reviewer2"):
        world.sign(promotion, reviewer)
    audit(world, world.version(2), {**V2_RACE, "Black": (99, 90, 65, 7)})
    said = answer_of(ask, 2)
    assert said["decision"] == "pending"
    assert said["approvals"]["given"] == 0
    assert {one["code"] for one in said["approvals"]["disregarded"]} == {"other_evidence"}


def test_a_refused_version_is_denied(world: World, ask: Ask) -> None:
    promotion = world.request(2)
    world.sign(promotion, "reviewer", verdict="refuse", reason="No.")
    said = answer_of(ask, 2)
    assert said["decision"] == "deny"
    assert "A reviewer refused this evidence." in said["reasons"]


def test_a_model_without_a_policy_is_denied(world: World, ask: Ask) -> None:
    world.model().binding.delete()
    said = answer_of(ask, 2)
    assert said["decision"] == "deny"
    assert said["policy"] is None
    assert "No policy is bound" in said["reasons"][0]
    (check,) = said["checks"]
    assert (check["expected"], check["actual"]) == (1, 0)


def test_letter_case_of_the_alias_does_not_matter(world: World, ask: Ask) -> None:
    for alias in ("champion", "Champion", "%20champion%20"):
        assert ask(gate(2, alias=alias)).json()["decision"] == "pending"


def test_everyone_who_may_read_may_ask(world: World, ask: Ask) -> None:
    for who in ("engineer", "auditor", "reviewer", "admin"):
        assert answer_of(ask, 2, who=who)["decision"] == "pending"


def test_its_queries_are_frozen_and_grow_with_nothing(world: World, ask: Ask) -> None:
    def queries(number: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            answer_of(ask, number)
        return len(captured)

    promotion = world.request(2)
    answer_of(ask, 2)
    before = queries(2)
    assert before <= FROZEN_QUERIES
    walk(
        world,
        [row_of_the_world(), *(model_row(f"model-{number}") for number in range(5))],
        [*rows_of_the_world(), *(version_row(number) for number in range(4, 12))],
    )
    for number in range(4, 8):
        lay_lineage(world, world.version(number))
        audit(world, world.version(number), V2_RACE)
        world.request(number)
    for _ in range(4):
        audit(world, world.version(2), V2_RACE)
        audit(world, world.version(1), V1_RACE)
    for reviewer in ("reviewer", "reviewer2"):
        world.sign(promotion, reviewer)
    answer_of(ask, 2)  # evidence is read once
    assert queries(2) == before
