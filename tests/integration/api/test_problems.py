"""Whatever is asked wrongly is answered as problem+json, and never with a traceback."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken
from accounts.services.people import actor_of
from accounts.services.tokens import READ, issue_token
from tests.integration.api.answers import require_problem
from tests.integration.api.conftest import Ask
from tests.integration.web.world import World, model_row, version_row, walk

GATE = "/api/v1/models/boston-mortgage/versions/2/gate"
RESERVE = "/api/v1/grants/reserve"


QUESTIONS = [
    (f"{GATE}", 400, "invalid_input"),
    (f"{GATE}?alias=", 400, "invalid_input"),
    (f"{GATE}?alias=%20", 400, "invalid_input"),
    (f"{GATE}?alias=shadow", 400, "alias_not_governed"),
    (f"{GATE}?alias=champion%00", 400, "invalid_input"),
    (f"{GATE}?alias=%FF%FE", 400, "alias_not_governed"),
    (f"{GATE}?alias={'a' * 257}", 400, "invalid_input"),
    (f"{GATE}?ALIAS=champion", 400, "invalid_input"),
    ("/api/v1/models/nobody/versions/1/gate?alias=champion", 404, "unknown_version"),
    ("/api/v1/models/boston-mortgage/versions/99/gate?alias=champion", 404, "unknown_version"),
    ("/api/v1/models/boston-mortgage/versions/0/gate?alias=champion", 404, "unknown_version"),
    (
        f"/api/v1/models/boston-mortgage/versions/{'9' * 30}/gate?alias=champion",
        404,
        "unknown_version",
    ),
    (
        f"/api/v1/models/boston-mortgage/versions/{'9' * 5_000}/gate?alias=champion",
        404,
        "",
    ),
    ("/api/v1/models/boston-mortgage/versions/-1/gate?alias=champion", 404, ""),
    ("/api/v1/models/boston-mortgage/versions/2.0/gate?alias=champion", 404, ""),
    ("/api/v1/models/boston-mortgage/versions/two/gate?alias=champion", 404, ""),
    ("/api/v1/models/a%00b/versions/1/gate?alias=champion", 404, ""),
    ("/api/v1/models/%FF/versions/1/gate?alias=champion", 404, "unknown_version"),
    (f"/api/v1/models/{'n' * 5_000}/versions/1/gate?alias=champion", 404, "unknown_version"),
    ("/api/v1/models/nobody/versions/1/report.pdf", 404, "unknown_version"),
    ("/api/v1/models//versions/1/gate?alias=champion", 404, ""),
    ("/api/v1/nothing", 404, "not_found"),
    ("/api/v1/", 404, "not_found"),
    ("/api/", 404, "not_found"),
]


def test_malformed_questions(ask: Ask) -> None:
    for path, status, code in QUESTIONS:
        said = require_problem(ask(path), status, code)
        if said["code"] == "invalid_input":
            assert [set(error) for error in said["errors"]] == [{"field", "detail"}]
            assert said["errors"][0]["field"] == "alias"


NO_TOKENS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer a b",
    "Bearer mun_garbage",
    "Bearer größe",
    "Bearer \xff\xfe",
    "Bearer " + "x" * 5_000,
    "Basic ZW5naW5lZXI6cGFzc3dvcmQ=",
    "mun_garbage",
]


def test_without_a_good_token_it_is_401(world: World, ask: Ask) -> None:
    for path in (f"{GATE}?alias=champion", GATE.replace("/gate", "/report.pdf")):
        for header in NO_TOKENS:
            headers = {} if header is None else {"Authorization": header}
            answer = ask(path, who=None, headers=headers)
            require_problem(answer, 401)
            assert answer["WWW-Authenticate"].startswith("Bearer")


def test_strangers_learn_nothing_of_what_there_is(ask: Ask) -> None:
    there = require_problem(ask(f"{GATE}?alias=champion", who=None), 401)
    nowhere = require_problem(ask(GATE.replace("boston", "nothing"), who=None), 401)
    assert there | {"request_id": ""} == nowhere | {"request_id": ""}


@pytest.mark.parametrize("fate", ["expired", "revoked", "inactive"])
def test_a_token_that_lived_once_is_401(world: World, ask: Ask, fate: str) -> None:
    engineer = world.people["engineer"]
    token = issue_token(
        user=engineer,
        name="ci",
        scopes=[READ],
        ttl_seconds=60,
        actor=actor_of(engineer),
        now=timezone.now(),
    )
    headers = {"Authorization": f"Bearer {token}"}
    assert ask(f"{GATE}?alias=champion", who=None, headers=headers).status_code == 200
    now = timezone.now()
    match fate:
        case "expired":
            ApiToken.objects.update(expires_at=now - timedelta(seconds=1))
        case "revoked":
            ApiToken.objects.update(revoked_at=now)
        case "inactive":
            engineer.is_active = False
            engineer.save()
    require_problem(ask(f"{GATE}?alias=champion", who=None, headers=headers), 401)


def test_a_token_for_something_else_is_403(world: World, ask: Ask) -> None:
    engineer = world.people["engineer"]
    token = issue_token(
        user=engineer,
        name="ci",
        scopes=[],
        ttl_seconds=60,
        actor=actor_of(engineer),
        now=timezone.now(),
    )
    headers = {"Authorization": f"Bearer {token}"}
    require_problem(ask(f"{GATE}?alias=champion", who=None, headers=headers), 403)


def test_a_token_is_kept_as_its_hash(world: World) -> None:
    engineer = world.people["engineer"]
    secret = issue_token(
        user=engineer,
        name="ci",
        scopes=[READ],
        ttl_seconds=60,
        actor=actor_of(engineer),
        now=timezone.now(),
    )
    row = ApiToken.objects.values().get()
    assert secret not in json.dumps(row, default=str)


def test_a_method_that_is_not_possible(ask: Ask) -> None:
    for method in ("post", "put", "patch", "delete"):
        answer = ask(f"{GATE}?alias=champion", method=method)
        require_problem(answer, 405, "method_not_allowed")
        assert "GET" in answer["Allow"]


def test_only_post_reserves(world: World) -> None:
    answer = Client().get(RESERVE)
    require_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer["Allow"]


BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"[]", 400),
    (b'"grant"', 400),
    (b"null", 400),
    (b"{}", 400),
    (b'{"grant": null}', 400),
    (b'{"grant": 7}', 409),
    (b'{"grant": ["a"]}', 400),
    (b'{"grant": ""}', 400),
    (b'{"grant": "\\u0000"}', 400),
    (b'{"grant": "\\ud800"}', 400),
    (b'{"grant": NaN}', 400),
    (b'{"grant": "' + b"x" * 9_000 + b'"}', 400),
    (b"\xff\xfe", 400),
    (b"[" * 100_000, 400),
    (b'{"a":' * 50_000, 400),
]


@pytest.mark.parametrize("step", ["reserve", "confirm"])
def test_malformed_bodies(world: World, step: str) -> None:
    for body, status in BODIES:
        answer = Client().post(f"/api/v1/grants/{step}", body, content_type="application/json")
        require_problem(answer, status)


def test_a_body_of_another_kind_is_415(world: World) -> None:
    require_problem(Client().post(RESERVE, {"grant": "x"}), 415, "unsupported_media_type")


def test_strangers_send_no_mountains(world: World) -> None:
    body = b'{"grant": "' + b"x" * 5_000_000 + b'"}'
    for path in (RESERVE, "/api/v1/grants/confirm"):
        answer = Client().post(path, body, content_type="application/json")
        require_problem(answer, 413, "too_large")


NAMES = [
    *("with space", "per%cent%2Fencoded", "größe", "模型", "versions", "a?b#c&d=e+f"),
    *("semi;colon,comma", "..name..", "back\\slash", "'quoted\"", " leading and trailing "),
    "gate",
]
SLASHES = ["team/model", "a/versions/2", "/lead", "trail/", "a//b"]


def test_models_of_any_name_are_found(world: World, ask: Ask) -> None:
    names = [*NAMES, *SLASHES]
    walk(world, [model_row(name) for name in names], [version_row(3, name) for name in names])
    for name in names:
        encoded = quote(name, safe="")
        answer = ask(f"/api/v1/models/{encoded}/versions/3/gate?alias=champion")
        assert answer.status_code == 200, answer.content
        link = answer.json()["links"]["version"]
        assert link.endswith(f"/models/{encoded}/versions/3/")
    for name in SLASHES:
        assert ask(f"/api/v1/models/{name}/versions/3/gate?alias=champion").status_code == 200


def test_usual_accept_headers_get_an_answer(ask: Ask) -> None:
    for accept in (
        "application/json",
        "*/*",
        "application/json, application/problem+json",
        "text/html, */*;q=0.1",
    ):
        assert ask(f"{GATE}?alias=champion", headers={"Accept": accept}).status_code == 200


def test_an_error_is_told_whatever_was_accepted(ask: Ask) -> None:
    for accept in ("application/problem+json", "text/html", "application/xml"):
        answer = ask(f"{GATE}?alias=shadow", headers={"Accept": accept})
        require_problem(answer, answer.status_code)
        assert answer.status_code in (400, 406)


def test_the_request_id_is_the_one_in_the_log_line(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    said = require_problem(ask("/api/v1/models/nobody/versions/1/gate?alias=champion"), 404)
    assert said["request_id"] in caplog.text
