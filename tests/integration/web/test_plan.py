"""The plan: what enforcing would break, told before it is; modes and bulk bindings on it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.domain.plan import Problem
from registry.models import ModeRule, PolicyBinding, RegistrySource
from registry.selectors.plan import Plan, PlanFilter, PlanRow, load_plan
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import (
    MODEL,
    World,
    lay_lineage,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)

Enter = Callable[[str], Client]


def show(world: World, models: dict[str, int], champion: int = 1) -> None:
    """Have MLflow show models of two versions beside the world's, each with this champion."""
    walk(
        world,
        [
            row_of_the_world(champion),
            *(model_row(name, aliases={"champion": number}) for name, number in models.items()),
        ],
        [
            *rows_of_the_world(),
            *(version_row(number, name) for name in models for number in (1, 2)),
        ],
    )


def plan_of(**wanted: str) -> Plan:
    return load_plan(PlanFilter(**wanted), now=timezone.now())


def row_of(name: str) -> PlanRow:
    [row] = plan_of(pattern=name).rows
    return row


def test_a_model_that_has_everything_would_break_in_nothing(world: World) -> None:
    row = row_of(MODEL)
    assert (row.problems, row.mode.value, row.is_prevented) == ((), "enforce", False)
    assert (row.policy, row.versions, row.recorded, row.without_commit) == (
        *("credit-decision v1", 3, 3),
        0,
    )
    [holder] = row.holders
    assert (holder.alias, holder.version) == ("champion", 1)
    assert plan_of().unguarded == ("default",)
    RegistrySource.objects.update(gatekeeper_seen_at=timezone.now())
    assert plan_of().unguarded == ()
    assert row_of(MODEL).is_prevented


def test_each_problem_is_named_and_counted(world: World) -> None:
    RegistrySource.objects.update(walked_at=None)  # what was there is adopted, and no move
    show(world, {"fraud-cards": 1, "fraud-transfers": 1, "pricing": 2})
    lay_lineage(world, world.version(1, "fraud-transfers"), dataset_sha256=None)
    lay_lineage(world, world.version(2, "pricing"), has_commit=False)
    assert row_of("fraud-cards").problems == (Problem.NO_POLICY, Problem.NO_LINEAGE)
    assert row_of("fraud-transfers").problems == (Problem.NO_POLICY, Problem.WEAK_LEG)
    row = row_of("pricing")
    assert row.problems == (Problem.NO_POLICY, Problem.NO_COMMIT)
    assert (row.versions, row.recorded, row.without_commit) == (2, 1, 1)
    found = plan_of()
    assert (found.covered, found.counts["any"], found.counts["none"]) == (4, 3, 1)
    assert (found.counts["no_policy"], found.counts["no_commit"]) == (3, 1)
    assert (found.versions, found.recorded) == (9, 5)
    names = {
        wanted: [row.name for row in plan_of(problem=wanted).rows]
        for wanted in ("none", "no_commit", "any")
    }
    assert names == {
        "none": [MODEL],
        "no_commit": ["pricing"],
        "any": ["fraud-cards", "fraud-transfers", "pricing"],
    }
    assert [row.name for row in plan_of(pattern="FRAUD*", mode="enforce").rows] == [
        *("fraud-cards", "fraud-transfers"),
    ]


def test_a_prompt_breaks_in_nothing(world: World) -> None:
    prompt = model_row("greeting", tags={"mlflow.prompt.is_prompt": "true"})
    walk(world, [row_of_the_world(), prompt], rows_of_the_world())
    row = row_of("greeting")
    assert (row.is_prompt, row.problems) == (True, ())
    assert not row_of(MODEL).is_prompt


def test_moves_that_no_grant_explains_are_told_for_thirty_days(world: World) -> None:
    """Not what was there when Muniment began to watch, nor what put a violation right."""
    assert row_of(MODEL).moves == ()
    show(world, {}, champion=2)
    moved_at = world.now
    [move] = row_of(MODEL).moves
    assert (move.alias, move.before, move.after, move.at) == ("champion", 1, 2, moved_at)
    assert row_of(MODEL).problems == (Problem.MOVED,)
    show(world, {}, champion=1)  # back where it was: what restores is no second move
    assert [(move.before, move.after) for move in row_of(MODEL).moves] == [(1, 2)]
    later = load_plan(PlanFilter(), now=timezone.now() + timedelta(days=31))
    assert [row.moves for row in later.rows] == [()]


def test_the_page_says_what_would_break_and_what_it_cannot_tell(world: World, enter: Enter) -> None:
    show(world, {"fraud-cards": 1}, champion=2)
    client = enter("auditor")
    said = text_of(client.get("/plan/"))
    for words in (
        "2 All models",
        "1 Without a policy",
        "3 of 5 versions",
        "Lineage not recorded yet",
        "champion v1 → v2",
        "found, not prevented",
        "MLflow records nobody who moves an alias",
        "No pattern has a mode of its own yet",
    ):
        assert words in said, words
    assert forms_of(client.get("/plan/")) == {}
    said = text_of(client.get("/plan/?problem=no_policy&pattern=FRAUD*"))
    assert "fraud-cards" in said
    assert "credit-decision v1" not in said
    assert "No model fits these filters" in text_of(client.get("/plan/?pattern=x%00"))
    assert client.get("/plan/?problem=x&mode=y&source=%00&page=z").status_code == 200
    assert "fraud-cards" in text_of(enter("admin").get("/"))


def test_the_filtered_plan_comes_as_csv(world: World, enter: Enter) -> None:
    show(world, {"=cmd": 1}, champion=2)
    answer = enter("auditor").get("/plan.csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [row["model"] for row in rows] == ["'=cmd", MODEL]
    assert rows[0]["problems"] == "no_policy; no_lineage; moved"
    assert (rows[1]["problems"], rows[1]["unexplained_moves"]) == ("moved", "1")
    assert rows[1]["lineage"].startswith("v2 code recorded, data recorded")
    only = enter("auditor").get("/plan.csv?problem=no_policy")
    assert b"".join(only).count(b"\r\n") == 2


def test_admins_set_and_remove_modes_on_the_page(world: World, enter: Enter) -> None:
    show(world, {"fraud-cards": 1, "fraud-transfers": 1})
    admin = enter("admin")
    answer = send(admin, "/plan/?pattern=fraud-*", "/plan/mode?pattern=fraud-%2A", mode="observe")
    assert answer["Location"] == "/plan/?pattern=fraud-%2A#modes"
    said = text_of(admin.get(answer["Location"]))
    assert "fraud-* of default now has the mode observe; it matches 2 models." in said
    assert (ModeRule.objects.get().pattern, row_of("fraud-cards").mode.value) == (
        *("fraud-*", "observe"),
    )
    for entered, words in (
        ({"pattern": " ", "mode": "warn"}, "Give a pattern"),
        ({"pattern": "*", "mode": "off"}, "observe, warn or enforce"),
        ({"pattern": "*", "mode": "warn", "source": "nowhere"}, "no registry source"),
    ):
        refused = post(admin, "/plan/mode", **entered)
        assert refused.status_code in (400, 404)
        assert f"No mode was changed. {words}" in text_of(refused) or words in text_of(refused)
    assert ModeRule.objects.count() == 1
    assert post(admin, "/plan/mode", pattern="fraud-*", mode="remove").status_code == 302
    assert not ModeRule.objects.exists()


def test_admins_bind_in_bulk_what_they_were_shown(world: World, enter: Enter) -> None:
    assert world.policy is not None
    show(world, {"fraud-cards": 1, "fraud-transfers": 1})
    admin, pair = enter("admin"), f"{world.policy.digest} high"
    shown = f"/plan/bind?pattern=fraud-*&binding={pair}"
    said = text_of(admin.get(shown))
    assert "2 models of default match fraud-* ; 2 would change" in said
    assert "done once" in said
    assert PolicyBinding.objects.count() == 1
    fields = forms_of(admin.get(shown))["/plan/bind"]
    show(world, {"fraud-cards": 1, "fraud-transfers": 1, "fraud-new": 1})
    late = admin.post("/plan/bind", fields)
    assert late.status_code == 409
    assert "changed since they were shown" in text_of(late)
    assert PolicyBinding.objects.count() == 1
    assert send(admin, shown, "/plan/bind").status_code == 302
    assert PolicyBinding.objects.count() == 4
    assert "is bound to 3 models" in text_of(admin.get("/plan/?pattern=fraud-*"))
    assert "Every one of them has it already" in text_of(admin.get(shown))
    for query, status in (
        ("", 400),
        (f"pattern=x-*&binding={pair}", 404),
        (f"pattern=*&binding={world.policy.digest} low", 400),
    ):
        assert admin.get(f"/plan/bind?{query}").status_code == status


def test_only_admins_change_anything(world: World, enter: Enter) -> None:
    assert world.policy is not None
    for username in ("engineer", "reviewer", "auditor"):
        client = enter(username)
        pair = f"{world.policy.digest} high"
        assert post(client, "/plan/mode", pattern="*", mode="observe").status_code == 403
        assert post(client, "/plan/bind", pattern="*", binding=pair).status_code == 403
        assert client.get(f"/plan/bind?pattern=*&binding={pair}").status_code == 403
    assert not ModeRule.objects.exists()
    assert PolicyBinding.objects.count() == 1


def test_the_command_says_the_same(world: World) -> None:
    show(world, {"fraud-cards": 1}, champion=2)
    out = StringIO()
    call_command("registry", "plan", "--json", stdout=out)
    said = json.loads(out.getvalue())
    assert (said["models"], said["problems"]["no_policy"], said["problems"]["moved"]) == (2, 1, 2)
    assert {row["model"] for row in said["rows"]} == {MODEL, "fraud-cards"}
    out = StringIO()
    call_command("registry", "plan", "FRAUD-*", "--problem", "no_policy", stdout=out)
    assert "fraud-cards (enforce): no policy: every promotion is denied" in out.getvalue()
    assert "not prevented" in out.getvalue()
    assert MODEL not in out.getvalue()


def test_the_plan_asks_as_often_for_many_models_as_for_one(world: World, enter: Enter) -> None:
    client = enter("admin")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/plan/").status_code == 200
        return len(captured)

    before = queries()
    RegistrySource.objects.update(walked_at=None)
    show(world, dict.fromkeys((f"many-{number}" for number in range(60)), 2))
    assert queries() == before
