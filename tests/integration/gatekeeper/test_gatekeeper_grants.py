"""Grants at a live MLflow server: honoured once, for exactly what they are for."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from muniment.grant import HEADER
from tests.integration.gatekeeper.live import Answer, GrantCounter, GrantKey, MlflowServer

pytestmark = pytest.mark.timeout(180)

MakeToken = Callable[..., str]


def assert_refused(answer: Answer, words: str) -> None:
    assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED"), answer
    assert words in answer.message


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_a_grant_moves_the_alias_once_and_is_confirmed(
    prefix: str, guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    grant_id = uuid4()
    token = make_token(name, version="2", grant_id=grant_id)
    answer = guarded_mlflow.set_alias(name, version="2", token=token, prefix=prefix)
    assert answer.status == 200
    assert guarded_mlflow.aliases(name) == {"champion": "2"}
    assert counter.states[grant_id] == "confirmed"
    replayed = guarded_mlflow.set_alias(name, version="2", token=token, prefix=prefix)
    assert_refused(replayed, "not honour its grant (This grant was used before); see http://m")


def test_one_grant_used_by_many_at_once_is_honoured_once(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    token = make_token(name)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: guarded_mlflow.set_alias(name, token=token), range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [403] * 7


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"model": "gov-other"}, "another model"),
        ({"version": "2"}, "another version"),
        ({"alias": "blessed"}, "another alias"),
        ({"source": "default"}, "another source"),
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, "expired at"),
    ],
)
def test_a_grant_for_something_else_is_refused_without_using_it_up(
    members: dict[str, Any],
    words: str,
    guarded_mlflow: MlflowServer,
    counter: GrantCounter,
    make_token: MakeToken,
) -> None:
    name = guarded_mlflow.new_model()
    asked = counter.requests
    token = make_token(members.pop("model", name), **members)
    assert_refused(guarded_mlflow.set_alias(name, token=token), words)
    assert counter.requests == asked
    assert guarded_mlflow.aliases(name) == {}


def test_a_grant_for_the_alias_does_not_cover_another_spelling_of_it(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    answer = guarded_mlflow.set_alias(name, "Champion", token=make_token(name))
    assert_refused(answer, "another alias")
    assert guarded_mlflow.aliases(name) == {}


def test_a_grant_signed_by_another_key_is_refused(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken, tmp_path: Path
) -> None:
    name = guarded_mlflow.new_model()
    token = make_token(name, signer=GrantKey.make(tmp_path).signer)
    assert_refused(
        guarded_mlflow.set_alias(name, token=token), "not signed by Muniment's grant key"
    )


@pytest.mark.parametrize("token", ["", "x", "e30", "ä", "a" * 9_000, "a=b; c", "Bearer abc"])
def test_what_is_no_grant_is_refused(
    token: str, guarded_mlflow: MlflowServer, counter: GrantCounter
) -> None:
    name = guarded_mlflow.new_model()
    answer = guarded_mlflow.set_alias(name, token=token)
    assert_refused(answer, "alias 'champion'")
    assert guarded_mlflow.aliases(name) == {}


def test_two_grants_in_one_request_are_refused(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    import http.client
    import json
    from urllib.parse import urlsplit

    name = guarded_mlflow.new_model()
    connection = http.client.HTTPConnection(urlsplit(guarded_mlflow.url).netloc, timeout=30)
    body = json.dumps({"name": name, "alias": "champion", "version": "1"})
    connection.putrequest("POST", "/api/2.0/mlflow/registered-models/alias")
    for header, value in [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        (HEADER, make_token(name)),
        (HEADER, make_token(name)),
    ]:
        connection.putheader(header, value)
    connection.endheaders(body.encode())
    response = connection.getresponse()
    assert response.status == 403
    response.read()
    connection.close()
    assert guarded_mlflow.aliases(name) == {}


def test_a_grant_covers_no_other_operation(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    assert guarded_mlflow.set_alias(name, token=make_token(name)).status == 200
    for method, path, content in [
        ("DELETE", "/registered-models/alias", {"alias": "champion"}),
        ("DELETE", "/registered-models/delete", {}),
        ("DELETE", "/model-versions/delete", {"version": "1"}),
        ("POST", "/registered-models/rename", {"new_name": "elsewhere"}),
        ("POST", "/model-versions/transition-stage", {"version": "1", "stage": "Production"}),
        ("POST", "/model-versions/set-tag", {"version": "1", "key": "muniment.x", "value": ""}),
    ]:
        answer = guarded_mlflow.call(
            method, path, {"name": name} | content, headers=((HEADER, make_token(name)),)
        )
        assert_refused(answer, "is refused")
    assert guarded_mlflow.aliases(name) == {"champion": "1"}


def test_a_grant_is_not_used_up_by_a_version_that_does_not_exist(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model(versions=1)
    asked = counter.requests
    token = make_token(name, version="2")
    answer = guarded_mlflow.set_alias(name, version="2", token=token)
    assert (answer.status, answer.error_code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert counter.requests == asked


def test_a_grant_is_refused_while_muniment_is_stopped_and_honoured_after(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    token = make_token(name)
    counter.stop()
    try:
        started = time.monotonic()
        answer = guarded_mlflow.set_alias(name, token=token)
        assert time.monotonic() - started < 2
    finally:
        counter.start()
    assert_refused(answer, "Muniment cannot be reached to reserve its grant")
    assert guarded_mlflow.aliases(name) == {}
    assert guarded_mlflow.set_alias(name, token=token).status == 200


@pytest.mark.parametrize("fault", ["hang", "drip", "redirect", "garbage", "error"])
def test_a_grant_is_refused_within_two_seconds_when_muniment_is_broken(
    fault: str, guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    guarded_mlflow.set_alias(name)  # warm, so that the clock measures the refusal alone
    counter.fault = fault
    started = time.monotonic()
    answer = guarded_mlflow.set_alias(name, token=make_token(name))
    elapsed = time.monotonic() - started
    assert_refused(answer, "Muniment cannot be reached to reserve its grant")
    assert elapsed < 2.2  # two seconds, and the HTTP round trip to MLflow on a busy machine
    assert guarded_mlflow.aliases(name) == {}


def test_ordinary_calls_go_on_while_a_reservation_hangs(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    counter.fault = "hang"
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(guarded_mlflow.set_alias, name, token=make_token(name))
        answered = 0
        while not hanging.done():
            assert guarded_mlflow.set_alias(name, "challenger").status == 200
            answered += 1
    assert answered > 3
    assert_refused(hanging.result(), "cannot be reached")


def test_a_change_stands_when_confirming_it_fails(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    grant_id = uuid4()
    counter.fault = "confirm-error"
    answer = guarded_mlflow.set_alias(name, token=make_token(name, grant_id=grant_id))
    assert answer.status == 200
    assert guarded_mlflow.aliases(name) == {"champion": "1"}
    # Open: Muniment settles it by reading the alias.
    assert counter.states[grant_id] == "reserved"
    assert f"grant {grant_id} was carried out but not confirmed" in (
        guarded_mlflow.log_file.read_text(errors="replace")
    )


def test_no_token_ever_stands_in_the_log_or_in_an_answer(
    guarded_mlflow: MlflowServer, counter: GrantCounter, make_token: MakeToken
) -> None:
    name = guarded_mlflow.new_model()
    used = make_token(name)
    expired = make_token(name, expires_at=datetime.now(UTC) - timedelta(days=1))
    answers = [guarded_mlflow.set_alias(name, token=token) for token in (used, used, expired)]
    counter.fault = "error"
    unreserved = make_token(name)
    answers.append(guarded_mlflow.set_alias(name, token=unreserved))
    assert [answer.status for answer in answers] == [200, 403, 403, 403]
    shown = guarded_mlflow.log_file.read_text(errors="replace") + "".join(map(str, answers))
    for token in (used, expired, unreserved):
        signature = base64.urlsafe_b64decode(token + "===").partition(b'"sig":"')[2][:40].decode()
        assert signature
        assert token not in shown
        assert signature not in shown
