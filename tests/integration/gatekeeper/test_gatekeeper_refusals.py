"""Governed changes without a grant, by every way into a live MLflow server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.gatekeeper.live import Answer, GrantCounter, MlflowServer

pytestmark = pytest.mark.timeout(180)

API = "/api/2.0/mlflow"
AJAX = "/ajax-api/2.0/mlflow"
ROUTES = pytest.mark.parametrize("route", ["client", API, AJAX])
# MLflow's client warns that stages will go.
STAGES = pytest.mark.filterwarnings("ignore:.*transition_model_version_stage:FutureWarning")
SPELLINGS = ["champion", "Champion", "CHAMPION", "blessed", "\uff43hampion", "ble\u017fsed"]


def attempt(action: Callable[[], object]) -> Answer:
    """Call MLflow's own client and return its refusal as an answer."""
    from mlflow.exceptions import RestException

    try:
        action()
    except RestException as error:
        return Answer(error.get_http_status_code(), error.json)
    return Answer(200, {})


def assert_refused(answer: Answer, *words: str) -> None:
    assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED"), answer
    for word in ("is refused: ", *words):
        assert word in answer.message
    assert "\n" not in answer.message


@ROUTES
@pytest.mark.parametrize("alias", SPELLINGS)
def test_governed_alias_cannot_be_set_in_any_spelling(
    route: str, alias: str, client: Any, guarded_mlflow: MlflowServer, counter: GrantCounter
) -> None:
    name = guarded_mlflow.new_model()
    if route == "client":
        answer = attempt(lambda: client.set_registered_model_alias(name, alias, "1"))
    else:
        answer = guarded_mlflow.set_alias(name, alias, prefix=route)
    governed = "blessed" if alias.startswith("b") else "champion"
    page = f"{counter.url}/models/{name}/versions/1/promotions/{governed}?source=main"
    assert_refused(answer, f"alias '{alias}'", name, "carries no grant", page)
    assert guarded_mlflow.aliases(name) == {}


@ROUTES
def test_governed_alias_cannot_be_moved_or_deleted(
    route: str,
    client: Any,
    guarded_mlflow: MlflowServer,
    counter: GrantCounter,
    make_token: Callable[..., str],
) -> None:
    name = guarded_mlflow.new_model()
    assert guarded_mlflow.set_alias(name, token=make_token(name)).status == 200
    if route == "client":
        moved = attempt(lambda: client.set_registered_model_alias(name, "champion", "2"))
        deleted = attempt(lambda: client.delete_registered_model_alias(name, "champion"))
    else:
        moved = guarded_mlflow.set_alias(name, version="2", prefix=route)
        deleted = guarded_mlflow.call(
            "DELETE", "/registered-models/alias", {"name": name, "alias": "champion"}, prefix=route
        )
    assert_refused(moved)
    assert_refused(deleted)
    assert guarded_mlflow.aliases(name) == {"champion": "1"}


def test_double_encoded_body_is_judged_like_any_other(guarded_mlflow: MlflowServer) -> None:
    name = guarded_mlflow.new_model()
    body = json.dumps(json.dumps({"name": name, "alias": "champion", "version": "1"})).encode()
    for prefix in (API, AJAX):
        answer = guarded_mlflow.call("POST", "/registered-models/alias", raw=body, prefix=prefix)
        assert_refused(answer, "alias 'champion'")
    ordinary = body.replace(b"champion", b"challenger")
    assert guarded_mlflow.call("POST", "/registered-models/alias", raw=ordinary).status == 200
    assert guarded_mlflow.aliases(name) == {"challenger": "1"}


@pytest.mark.parametrize("version", [1, "01", " 1", "\uff11"])
def test_unusual_version_numbers_do_not_get_around_the_refusal(
    version: object, guarded_mlflow: MlflowServer
) -> None:
    name = guarded_mlflow.new_model()
    answer = guarded_mlflow.call(
        "POST", "/registered-models/alias", {"name": name, "alias": "champion", "version": version}
    )
    assert answer.status in {400, 403}
    assert guarded_mlflow.aliases(name) == {}


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/api/2.0/preview/mlflow", "/registered-models/alias"),
        ("/ajax-api/2.0/preview/mlflow", "/registered-models/alias"),
        ("/api/3.0/mlflow", "/registered-models/alias"),
        ("/api/2.0/mlflow", "//registered-models//alias"),
        ("/api/2.0/mlflow", "/registered-models%2Falias"),
        ("/api/2.0/mlflow", "/registered-models/%61lias"),
        ("/api/2.0/mlflow", "/experiments/../registered-models/alias"),
        ("/api/2.0/mlflow", "/registered-models/alias/"),
        ("/API/2.0/mlflow", "/registered-models/alias"),
        ("//api/2.0/mlflow", "/registered-models/alias"),
    ],
)
def test_no_spelling_of_the_path_reaches_the_alias(
    prefix: str, path: str, guarded_mlflow: MlflowServer
) -> None:
    name = guarded_mlflow.new_model()
    content = {"name": name, "alias": "champion", "version": "1"}
    answer = guarded_mlflow.call("POST", path, content, prefix=prefix)
    assert answer.status in {308, 400, 403, 404, 405}
    for name_of_override in ("X-HTTP-Method-Override", "X-Method-Override"):
        guarded_mlflow.call(
            "GET", path, content, prefix=prefix, headers=((name_of_override, "POST"),)
        )
    assert guarded_mlflow.aliases(name) == {}


def test_parameters_outside_the_json_body_do_not_reach_the_alias(
    guarded_mlflow: MlflowServer,
) -> None:
    name = guarded_mlflow.new_model()
    form = f"name={name}&alias=champion&version=1"
    for content_type in ("application/x-www-form-urlencoded", "application/json"):
        guarded_mlflow.call(
            "POST",
            "/registered-models/alias",
            raw=form.encode(),
            headers=(("Content-Type", content_type),),
        )
    guarded_mlflow.call("POST", f"/registered-models/alias?{form}", {})
    assert guarded_mlflow.aliases(name) == {}


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v3", "V3"])
def test_alias_names_that_mlflow_reserves_stay_reserved(
    alias: str, guarded_mlflow: MlflowServer
) -> None:
    name = guarded_mlflow.new_model()
    answer = guarded_mlflow.set_alias(name, alias)
    assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")


@STAGES
@ROUTES
def test_deleting_renaming_and_staging_are_refused(
    route: str, client: Any, guarded_mlflow: MlflowServer, counter: GrantCounter
) -> None:
    name = guarded_mlflow.new_model()
    if route == "client":
        answers = [
            attempt(lambda: client.delete_registered_model(name)),
            attempt(lambda: client.delete_model_version(name, "1")),
            attempt(lambda: client.rename_registered_model(name, "elsewhere")),
            attempt(lambda: client.transition_model_version_stage(name, "1", "Production")),
        ]
    else:
        answers = [
            guarded_mlflow.call(method, path, {"name": name} | more, prefix=route)
            for method, path, more in [
                ("DELETE", "/registered-models/delete", {}),
                ("DELETE", "/model-versions/delete", {"version": "1"}),
                ("POST", "/registered-models/rename", {"new_name": "elsewhere"}),
                (
                    "POST",
                    "/model-versions/transition-stage",
                    {"version": "1", "stage": "Production", "archive_existing_versions": True},
                ),
            ]
        ]
    for answer in answers:
        assert_refused(answer, name, f"see {counter.url}/models/{name}")
    version = client.get_model_version(name, "1")
    assert (version.current_stage, version.source) == ("None", "s3://bucket/model")


def test_an_ungoverned_model_cannot_be_renamed_into_a_governed_name(
    guarded_mlflow: MlflowServer,
) -> None:
    name = guarded_mlflow.new_model(prefix="free")
    assert guarded_mlflow.set_alias(name).status == 200
    answer = guarded_mlflow.call(
        "POST", "/registered-models/rename", {"name": name, "new_name": f"GOV-{name}"}
    )
    assert_refused(answer)


@pytest.mark.parametrize("prefix", [API, AJAX])
def test_the_source_of_a_version_cannot_be_changed_whatever_an_update_says(
    prefix: str, client: Any, guarded_mlflow: MlflowServer
) -> None:
    name = guarded_mlflow.new_model()
    body = {"name": name, "version": "1", "description": "d", "source": "s3://elsewhere/model"}
    for more in ({}, {"run_id": "0" * 32}, {"storage_location": "s3://elsewhere/model"}):
        guarded_mlflow.call("PATCH", "/model-versions/update", body | more, prefix=prefix)
    created = guarded_mlflow.call("POST", "/model-versions/create", body, prefix=prefix)
    assert created.content["model_version"]["version"] == "3"
    version = client.get_model_version(name, "1")
    assert (version.source, version.run_id) == ("s3://bucket/model", "")
    assert client.get_model_version_download_uri(name, "1") == "s3://bucket/model"


@ROUTES
@pytest.mark.parametrize("key", ["muniment.policy", "Muniment.Risk_Tier"])
def test_muniment_tags_cannot_be_set_or_deleted(
    route: str, key: str, client: Any, guarded_mlflow: MlflowServer
) -> None:
    name = guarded_mlflow.new_model()
    if route == "client":
        answers = [
            attempt(lambda: client.set_registered_model_tag(name, key, "x")),
            attempt(lambda: client.set_model_version_tag(name, "1", key, "x")),
            attempt(lambda: client.delete_registered_model_tag(name, key)),
            attempt(lambda: client.delete_model_version_tag(name, "1", key)),
        ]
    else:
        answers = [
            guarded_mlflow.call(method, path, {"name": name, "key": key} | more, prefix=route)
            for method, path, more in [
                ("POST", "/registered-models/set-tag", {"value": "x"}),
                ("POST", "/model-versions/set-tag", {"version": "1", "value": "x"}),
                ("DELETE", "/registered-models/delete-tag", {}),
                ("DELETE", "/model-versions/delete-tag", {"version": "1"}),
            ]
        ]
    for answer in answers:
        assert_refused(answer, key, name)


@ROUTES
def test_muniment_tags_cannot_be_smuggled_into_what_is_created(
    route: str, client: Any, guarded_mlflow: MlflowServer
) -> None:
    existing = guarded_mlflow.new_model()
    fresh = f"gov-fresh-{route.count('/')}-{route.count('a')}"
    tags = {"team": "risk", "muniment.approved": "yes"}
    if route == "client":
        answers = [
            attempt(lambda: client.create_registered_model(fresh, tags=tags)),
            attempt(lambda: client.create_model_version(existing, "s3://bucket/model", tags=tags)),
        ]
    else:
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        answers = [
            guarded_mlflow.call("POST", path, content | {"tags": listed}, prefix=route)
            for path, content in [
                ("/registered-models/create", {"name": fresh}),
                ("/model-versions/create", {"name": existing, "source": "s3://bucket/model"}),
            ]
        ]
    for answer in answers:
        assert_refused(answer, "'muniment.approved'")
    assert guarded_mlflow.call("POST", "/registered-models/create", {"name": fresh}).status == 200


def test_muniment_tags_of_another_model_cannot_be_copied_in(
    client: Any, guarded_mlflow: MlflowServer
) -> None:
    from mlflow.exceptions import MlflowException

    source = guarded_mlflow.new_model(prefix="free")
    client.set_model_version_tag(source, "1", "muniment.approved", "yes")
    target = guarded_mlflow.new_model()
    with pytest.raises(MlflowException, match=r"muniment\.approved.* is refused: "):
        client.copy_model_version(f"models:/{source}/1", dst_name=target)
    assert len(client.search_model_versions(f"name = '{target}'")) == 2


def test_refusal_needs_no_muniment(guarded_mlflow: MlflowServer, counter: GrantCounter) -> None:
    name = guarded_mlflow.new_model()
    asked = counter.requests
    assert_refused(guarded_mlflow.set_alias(name))
    assert counter.requests == asked
    counter.stop()
    try:
        started = time.monotonic()
        for alias in ("champion", "CHAMPION"):
            assert_refused(guarded_mlflow.set_alias(name, alias), f"{counter.url}/models/{name}")
        assert time.monotonic() - started < 2
        assert guarded_mlflow.set_alias(name, "challenger").status == 200
        guarded_mlflow.new_model()
    finally:
        counter.start()


def test_refusal_quotes_what_a_stranger_sent_on_one_short_line(
    guarded_mlflow: MlflowServer,
) -> None:
    name = guarded_mlflow.new_model()
    answer = guarded_mlflow.call(
        "POST",
        "/model-versions/transition-stage",
        {"name": name, "version": "1\nFAKE LOG LINE", "stage": "x" * 100_000},
    )
    assert_refused(answer)
    assert len(answer.message) < 1_500
    assert "\nFAKE LOG LINE" not in guarded_mlflow.log_file.read_text(errors="replace")
