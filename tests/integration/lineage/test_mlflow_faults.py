"""What the client does when the server does not do what it should."""

from __future__ import annotations

import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.artifacts import ArtifactsUnreadable, hash_artifacts
from lineage.errors import (
    ArtifactMissing,
    ArtifactRefused,
    MlflowGarbage,
    MlflowMissing,
    MlflowRefused,
    MlflowUnavailable,
)
from lineage.mlflow import MlflowClient
from tests.integration.lineage.conftest import HURRIED
from tests.integration.lineage.scripted import (
    Answer,
    Asked,
    ScriptedServer,
    as_json,
    mlflow_error,
)

RUN = {"run": {"info": {"run_id": "b" * 32, "artifact_uri": "mlflow-artifacts:/1/b/artifacts"}}}
PLACE = "mlflow-artifacts:/1/models/m-1/artifacts"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_reading_is_tried_again_when_the_server_cannot_now(
    status: int, scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(Answer(status, b"busy"), Answer(status, b"busy"), as_json(RUN))
    assert hurried.get_run("b" * 32).run_id == "b" * 32
    assert len(scripted.asked) == 3


def test_server_that_stays_down_is_given_up_on(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(mlflow_error(503, "TEMPORARILY_UNAVAILABLE", "starting"))
    with pytest.raises(MlflowUnavailable, match="HTTP 503: starting") as caught:
        hurried.get_run("b" * 32)
    assert caught.value.status == 503
    assert not isinstance(caught.value, MlflowGarbage)
    assert len(scripted.asked) == 3


def test_wait_is_what_the_server_asks_for_but_never_long(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(Answer(429, b"", {"Retry-After": "3600"}), as_json(RUN))
    begun = time.monotonic()
    hurried.get_run("b" * 32)
    assert 0.03 <= time.monotonic() - begun < 2


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        client = MlflowClient(f"http://127.0.0.1:{held.getsockname()[1]}", patience=HURRIED)
        with pytest.raises(MlflowUnavailable, match="does not answer"):
            client.get_run("b" * 32)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_write_is_not_repeated_where_it_may_have_been_done(
    status: int, scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(Answer(status), as_json({}))
    with pytest.raises(MlflowUnavailable):
        hurried.set_alias("loans", "champion", 2, grant="token")
    assert len(scripted.asked) == 1


def test_write_is_repeated_where_it_was_turned_away(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(Answer(429), as_json({}))
    hurried.set_alias("loans", "champion", 2, grant="token")
    assert len(scripted.asked) == 2


def test_grant_goes_with_the_alias_and_with_nothing_else(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.script = lambda asked: as_json(RUN if asked.method == "GET" else {})
    hurried.set_alias("loans", "champion", 2, grant="token")
    hurried.get_run("b" * 32)
    written, read = scripted.asked
    assert written.headers["muniment-grant"] == "token"
    assert written.target == "/api/2.0/mlflow/registered-models/alias"
    assert json.loads(written.body) == {"name": "loans", "alias": "champion", "version": "2"}
    assert "muniment-grant" not in read.headers


def test_redirect_is_not_followed_anywhere(scripted: ScriptedServer, hurried: MlflowClient) -> None:
    with ScriptedServer() as elsewhere:
        scripted.answer_in_turn(Answer(307, b"", {"Location": f"{elsewhere.url}/steal"}))
        with pytest.raises(MlflowGarbage, match="HTTP 307"):
            hurried.set_alias("loans", "champion", 2, grant="token")
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>Sign in</html>"),
        Answer(200, b""),
        Answer(200, b"[]"),
        Answer(200, b'{"run": 5}'),
        Answer(200, b"[" * 100_000),
        Answer(200, b'{"run"'),
        Answer(200, b"\xff\xfe"),
        Answer(200, json.dumps(RUN).encode(), {"Content-Encoding": "gzip"}),
        Answer(204, b""),
        Answer(404, b"<html>Not here</html>"),
        as_json({"detail": "Not Found"}, 404),
    ],
    ids=range(11),
)
def test_answer_that_is_not_mlflows_is_garbage(
    answer: Answer, scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(answer)
    with pytest.raises(MlflowGarbage):
        hurried.get_run("b" * 32)
    assert len(scripted.asked) == 1


def test_answer_that_breaks_off_is_asked_for_again(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    whole = json.dumps(RUN).encode()
    scripted.answer_in_turn(Answer(200, whole[:20], claimed_length=len(whole)), Answer(200, whole))
    assert hurried.get_run("b" * 32).run_id == "b" * 32
    assert len(scripted.asked) == 2


def test_trickling_answer_does_not_hold_us(scripted: ScriptedServer) -> None:
    client = MlflowClient(scripted.url, patience=replace(HURRIED, attempts=1, answer_seconds=0.2))
    stop = threading.Event()
    scripted.answer_in_turn(Answer(200, b" " * 10_000, pause=stop))
    begun = time.monotonic()
    try:
        with pytest.raises(MlflowUnavailable, match="not finished"):
            client.get_run("b" * 32)
    finally:
        stop.set()
    # Every byte came in time for a timeout that looks at single reads.
    assert time.monotonic() - begun < HURRIED.read_timeout_seconds


def test_refusal_carries_mlflows_own_sentence(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(mlflow_error(403, "PERMISSION_DENIED", "Ask for a promotion."))
    with pytest.raises(MlflowRefused, match=r"^Ask for a promotion\.$") as caught:
        hurried.set_alias("loans", "champion", 2)
    assert (caught.value.status, caught.value.error_code) == (403, "PERMISSION_DENIED")
    assert len(scripted.asked) == 1


def test_refusal_without_words_still_has_some(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(Answer(401, b"<html>"))
    with pytest.raises(MlflowRefused, match="HTTP 401"):
        hurried.get_run("b" * 32)


def test_missing_is_only_what_mlflow_says_is_missing(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(mlflow_error(404, "RESOURCE_DOES_NOT_EXIST", "Run not found"))
    with pytest.raises(MlflowMissing):
        hurried.get_run("b" * 32)


def test_credentials_and_path_of_the_tracking_uri_are_used_and_never_shown(
    scripted: ScriptedServer,
) -> None:
    client = MlflowClient(
        f"http://me:hunter2@127.0.0.1:{scripted.port}/behind/proxy/", patience=HURRIED
    )
    scripted.answer_in_turn(as_json(RUN))
    client.get_run("b" * 32)
    (asked,) = scripted.asked
    assert asked.target.startswith("/behind/proxy/api/2.0/mlflow/runs/get?")
    assert asked.headers["authorization"] == f"Basic {b64encode(b'me:hunter2').decode()}"
    scripted.answer_in_turn(Answer(500))
    with pytest.raises(MlflowUnavailable) as caught:
        client.get_run("b" * 32)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "databricks", "/tmp/x", "http://"])
def test_tracking_uri_that_is_no_server_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="http"):
        MlflowClient(uri)


def version_row(number: int) -> dict[str, object]:
    return {"name": "loans", "version": str(number), "creation_timestamp": 1_795_445_659_977}


def test_walk_follows_every_page_and_counts_a_moving_row_once(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    def page(asked: Asked) -> Answer:
        if "filter=" in asked.target:
            return as_json({})
        if "page_token=second" in asked.target:
            return as_json({"model_versions": [version_row(2), version_row(3)]})
        rows = [version_row(1), version_row(2)]
        return as_json({"model_versions": rows, "next_page_token": "second"})

    scripted.script = page
    assert [row.version for row in hurried.search_model_versions().rows] == [1, 2, 3]
    assert len(scripted.asked) == 3


def test_list_without_end_is_garbage(scripted: ScriptedServer, hurried: MlflowClient) -> None:
    scripted.answer_in_turn(as_json({"next_page_token": "again"}))
    with pytest.raises(MlflowGarbage, match="does not end"):
        hurried.search_model_versions()
    assert len(scripted.asked) == 2


def listing(*entries: dict[str, object]) -> Answer:
    return as_json({"files": list(entries)})


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "a\nb",
        "%2e%2e",
        "a%2fb",
        "\0",
        "x" * 300,
    ],
)
def test_hostile_artifact_name_is_refused_and_not_asked_for(
    name: str, scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(listing({"path": name, "is_dir": False, "file_size": 1}))
    found = hash_artifacts(hurried, PLACE)
    assert isinstance(found, ArtifactsUnreadable)
    assert found.fault == "refused"
    assert "\n" not in found.reason
    assert len(scripted.asked) == 1


def test_folders_without_end_are_given_up_on(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(listing({"path": "deeper", "is_dir": True}))
    found = hash_artifacts(hurried, PLACE)
    assert isinstance(found, ArtifactsUnreadable)
    assert found.fault == "too_large"
    assert len(scripted.asked) <= 25


def test_file_listed_and_gone_leaves_no_part_of_a_tree(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    files = [{"path": name, "is_dir": False} for name in ("kept", "gone")]

    def answer(asked: Asked) -> Answer:
        if "?path=" in asked.target:
            return listing(*files)
        if asked.target.endswith("/kept"):
            return Answer(200, b"bytes")
        return mlflow_error(404, "RESOURCE_DOES_NOT_EXIST", "No such artifact")

    scripted.script = answer
    found = hash_artifacts(hurried, PLACE)
    assert found == ArtifactsUnreadable("missing", "The artifact 'gone' is not there.")


def test_file_that_the_server_fails_on_is_unreadable_while_the_server_answers(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.script = lambda asked: (
        listing({"path": "broken", "is_dir": False})
        if "?path=" in asked.target
        else mlflow_error(500, "INTERNAL_ERROR", "I/O error")
    )
    found = hash_artifacts(hurried, PLACE)
    assert isinstance(found, ArtifactsUnreadable)
    assert found.fault == "unreadable"
    assert "'broken'" in found.reason


@pytest.mark.parametrize(
    "script",
    [
        lambda asked: Answer(503),
        lambda asked: (
            listing({"path": "file", "is_dir": False}) if "?path=" in asked.target else Answer(503)
        ),
        lambda asked: Answer(200, b"<html>"),
    ],
    ids=["all down", "artifacts down", "a proxy's page"],
)
def test_nothing_is_concluded_about_artifacts_while_mlflow_is_down(
    script: Callable[[Asked], Answer], scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.script = script
    with pytest.raises(MlflowUnavailable):
        hash_artifacts(hurried, PLACE)


def test_artifact_larger_than_allowed_is_refused_before_it_is_whole(
    scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    scripted.answer_in_turn(Answer(200, b"x" * 1_000_000))
    with pytest.raises(ArtifactRefused, match="999,999 bytes"):
        hurried.hash_artifact(PLACE, "model.pkl", max_bytes=999_999)
    assert hurried.hash_artifact(PLACE, "model.pkl", max_bytes=1_000_000)[1] == 1_000_000


def test_download_that_breaks_off_is_written_from_the_start(
    scripted: ScriptedServer, hurried: MlflowClient, tmp_path: Path
) -> None:
    scripted.answer_in_turn(Answer(200, b"the first", claimed_length=20), Answer(200, b"whole"))
    destination = tmp_path / "file"
    hurried.download_artifact(PLACE, "file", destination)
    assert destination.read_bytes() == b"whole"


@pytest.mark.parametrize(
    "place", ["s3://bucket/key", "file:///etc", "mlflow-artifacts://elsewhere.example/1", "", "x"]
)
def test_place_that_the_server_does_not_serve_is_not_opened(
    place: str, scripted: ScriptedServer, hurried: MlflowClient
) -> None:
    with pytest.raises(ArtifactMissing):
        hurried.hash_artifact(place, "model.pkl")
    assert isinstance(hash_artifacts(hurried, place), ArtifactsUnreadable)
    assert scripted.asked == []
