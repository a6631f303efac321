"""Who was champion when, and what was changed without permission, as programs ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.domain.moments import rfc3339
from registry.models import AliasChange, Violation
from tests.integration.api.answers import require_problem
from tests.integration.api.conftest import Ask
from tests.integration.web.world import (
    MODEL,
    World,
    model_row,
    row_of_the_world,
    rows_of_the_world,
    version_row,
    walk,
)

HISTORY = f"/api/v1/models/{MODEL}/aliases"
# Reading the token and its person included; lower them when an answer gets cheaper.
FROZEN = {HISTORY: 7, "/api/v1/aliases": 7, "/api/v1/violations": 5}


def answer_of(ask: Ask, path: str, **query: Any) -> dict[str, Any]:
    answer = ask(path, data=query)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    assert found["schema_version"] == 1
    return found


def at(moment: datetime) -> str:
    return rfc3339(moment)


def test_a_history_and_its_answers(world: World, ask: Ask) -> None:
    world.tick(minutes=5)
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    adopted, moved = AliasChange.objects.order_by("pk")
    [told] = answer_of(ask, HISTORY)["results"]
    model = world.model()
    assert (told["source"], told["model"], told["model_uri"]) == ("default", MODEL, model.uri)
    assert told["watched_since"] == told["periods"][0]["until"]
    assert told["gone_at"] is None
    assert [
        (one["holding"], one["version"], one["cause"], one["log_entry"]) for one in told["periods"]
    ] == [
        ("unknown", None, None, None),
        ("held", 1, "adopted", adopted.entry.sha256),
        ("held", 2, "violation", moved.entry.sha256),
    ]
    assert datetime.fromisoformat(told["periods"][2]["since"]) == moved.at
    assert told["periods"][2]["until"] is None
    assert told["periods"][2]["violation"] == str(Violation.objects.get().pk)

    def versions(moment: datetime) -> list[tuple[str, int | None]]:
        [answered] = answer_of(ask, HISTORY, at=at(moment))["results"]
        return [(one["holding"], one["version"]) for one in answered["periods"]]

    instant = timedelta(microseconds=1)
    assert versions(adopted.at - instant) == [("unknown", None)]
    assert versions(adopted.at) == versions(moved.at - instant) == [("held", 1)]
    assert versions(moved.at) == [("held", 2)]
    day = f"{moved.at.astimezone(UTC):%Y-%m-%d}"
    [of_day] = answer_of(ask, HISTORY, at=day)["results"]
    assert [one["version"] for one in of_day["periods"]][-2:] == [1, 2]
    assert answer_of(ask, HISTORY, alias="CHAMPION", at=at(moved.at))["results"]
    [never] = answer_of(ask, HISTORY, alias="challenger")["results"]
    assert [one["holding"] for one in never["periods"]] == ["unknown", "nobody"]


def test_violations_are_listed_with_what_they_changed(world: World, ask: Ask) -> None:
    assert answer_of(ask, "/api/v1/violations")["results"] == []
    for champion in (2, 3):
        walk(world, [row_of_the_world(champion=champion)], rows_of_the_world())
    said = answer_of(ask, "/api/v1/violations")
    assert (said["count"], said["next_page"]) == (2, None)
    newest, older = said["results"]
    assert (newest["state"], older["state"]) == ("open", "superseded")
    assert (newest["event"], newest["alias"], newest["version"]) == ("alias.moved", "champion", 3)
    assert (newest["before"], newest["after"]) == ({"version": 1}, {"version": 3})
    assert newest["summary"] == f"champion of {MODEL} moved to version 3"
    found = Violation.objects.get(status="open")
    assert newest["log_entry"] == found.entry.sha256
    assert newest["url"] == f"{settings.MUNIMENT_URL}/violations/{found.pk}/"
    for query, count in [
        ({"state": "superseded"}, 1),
        ({"state": "undone"}, 0),
        ({"source": "default", "model": MODEL[:4]}, 2),
        ({"source": "elsewhere"}, 0),
        ({"page": 2}, 2),
    ]:
        assert answer_of(ask, "/api/v1/violations", **query)["count"] == count, query
    assert answer_of(ask, "/api/v1/violations", page=2)["results"] == []


def test_every_model_at_once_comes_in_pages_at_a_cost_that_does_not_grow(
    world: World, ask: Ask
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            answer_of(ask, path)
        return len(captured)

    answer_of(ask, HISTORY)  # the token is written before anything is counted
    walk(world, [row_of_the_world(champion=2)], rows_of_the_world())
    before = {path: queries(path) for path in FROZEN}
    over = {path: count for path, count in before.items() if count > FROZEN[path]}
    assert over == {}
    names = [f"model-{number:03}" for number in range(120)]
    walk(
        world,
        [
            row_of_the_world(champion=3),
            *(model_row(name, aliases={"champion": 1}) for name in names),
        ],
        [*rows_of_the_world(), *(version_row(1, name) for name in names)],
    )
    assert {path: queries(path) for path in FROZEN} == before
    first = answer_of(ask, "/api/v1/aliases")
    assert (first["count"], first["next_page"], len(first["results"])) == (121, 2, 100)
    second = answer_of(ask, "/api/v1/aliases", page=2)
    assert (second["next_page"], len(second["results"])) == (None, 21)
    told = [one["model"] for one in (*first["results"], *second["results"])]
    assert sorted(told) == sorted([MODEL, *names])
    assert {len(one["periods"]) for one in first["results"]} == {1}
    [one] = answer_of(ask, "/api/v1/aliases", model="-042", at=at(world.now))["results"]
    assert [period["version"] for period in one["periods"]] == [1]
    assert answer_of(ask, "/api/v1/aliases", at="2020-03-03")["count"] == 0


def test_what_cannot_be_answered_is_a_problem_with_its_reason(world: World, ask: Ask) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    for path in (HISTORY, "/api/v1/aliases"):
        for text in ("3 March", "2026-02-30", tomorrow, "2026-03-03T14:05 02:00"):
            said = require_problem(ask(path, data={"at": text}), 400, "time_not_understood")
            assert text in said["detail"]
        require_problem(ask(path, data={"at": "x" * 41}), 400, "invalid_input")
        # A script whose variable is empty must not be told of now.
        require_problem(ask(path, data={"at": ""}), 400, "time_not_understood")
        require_problem(ask(path, who=None), 401)
        require_problem(ask(path, method="post"), 405)
    require_problem(ask("/api/v1/models/never-was/aliases"), 404, "unknown_version")
    require_problem(ask("/api/v1/models/%00/aliases"), 404, "unknown_version")
    for query in ({"page": 0}, {"page": "x"}, {"page": 10**9}, {"state": "closed"}):
        require_problem(ask("/api/v1/violations", data=query), 400, "invalid_input")
    require_problem(ask("/api/v1/violations", who=None), 401)


def test_the_schema_says_what_is_asked_and_answered(world: World) -> None:
    client = Client()
    client.force_login(world.people["auditor"], "django.contrib.auth.backends.ModelBackend")
    schema = yaml.safe_load(client.get("/api/v1/schema").content)
    paths = {
        "/api/v1/models/{name}/aliases": {"name", "at", "alias"},
        "/api/v1/aliases": {"at", "model", "page"},
        "/api/v1/violations": {"state", "source", "model", "page"},
    }
    for path, asked in paths.items():
        operation = schema["paths"][path]["get"]
        assert {one["name"] for one in operation["parameters"]} == asked
        content = operation["responses"]["200"]["content"]["application/json"]["schema"]
        answered = schema["components"]["schemas"][content["$ref"].rsplit("/", 1)[1]]
        assert "results" in answered["properties"], path
