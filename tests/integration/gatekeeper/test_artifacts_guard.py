"""The files of a registered version are write-once, by every way into a live MLflow server."""

from __future__ import annotations

import http.client
import json
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.integration.gatekeeper.live import MlflowServer

pytestmark = pytest.mark.timeout(180)

API = "/api/2.0/mlflow-artifacts"
AJAX = "/ajax-api/2.0/mlflow-artifacts"
ROUTES = pytest.mark.parametrize("route", [API, AJAX])


class Artifacts:
    """A server's artifact routes over plain HTTP, and the bytes as they lie on its disk."""

    def __init__(self, server: MlflowServer) -> None:
        self.server = server
        self.folder = server.database.parent / "artifacts"

    def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Send a request whose path goes out exactly as it is written here."""
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=30)
        with closing(connection):
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def put(self, path: str, body: bytes, route: str = API) -> tuple[int, str]:
        return self.send("PUT", f"{route}/artifacts/{path}", body)

    def delete(self, path: str, route: str = API) -> tuple[int, str]:
        return self.send("DELETE", f"{route}/artifacts/{path}")


@pytest.fixture(scope="module")
def artifacts(guarded_mlflow: MlflowServer) -> Artifacts:
    return Artifacts(guarded_mlflow)


class Version:
    """A version registered by training code, with two files below ``path``."""

    def __init__(self, path: str, name: str, run: Any) -> None:
        self.path = path
        self.name = name
        self.run = run


@pytest.fixture
def version(client: Any, guarded_mlflow: MlflowServer) -> Version:
    return register(client, guarded_mlflow, "gov")


def train(client: Any) -> Any:
    run = client.create_run("0")
    client.log_text(run.info.run_id, "good", "model/MLmodel")
    client.log_text(run.info.run_id, "weights", "model/deep/weights.bin")
    return run


def register(client: Any, server: MlflowServer, prefix: str) -> Version:
    run = train(client)
    name = f"{prefix}-files-{next(server.names)}"
    client.create_registered_model(name)
    client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    return Version(f"0/{run.info.run_id}/artifacts/model", name, run)


def assert_refused(answer: tuple[int, str], *words: str) -> None:
    status, body = answer
    assert status == 403, answer
    assert json.loads(body)["error_code"] == "PERMISSION_DENIED"
    for word in ("is refused: ", "write-once", *words):
        assert word in body


def assert_as_registered(artifacts: Artifacts, path: str) -> None:
    folder = artifacts.folder / path
    found = {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert found == {"MLmodel": "good", "deep/weights.bin": "weights"}


@ROUTES
def test_files_of_a_registered_version_cannot_be_overwritten_added_or_deleted(
    route: str, artifacts: Artifacts, version: Version
) -> None:
    owner = f"version 1 of model '{version.name}'"
    for name in ("MLmodel", "deep/weights.bin", "added.py", "deep/added.py", "new/folder/x"):
        assert_refused(artifacts.put(f"{version.path}/{name}", b"evil", route), owner)
    for name in ("/MLmodel", "/deep", "/deep/weights.bin", "", "/"):
        assert_refused(artifacts.delete(f"{version.path}{name}", route), owner)
    assert_as_registered(artifacts, version.path)


@ROUTES
def test_folders_above_a_registered_version_cannot_be_deleted(
    route: str, artifacts: Artifacts, version: Version
) -> None:
    parents = version.path.split("/")
    for depth in range(1, len(parents)):
        assert_refused(artifacts.delete("/".join(parents[:depth]), route))
    assert_refused(artifacts.delete(".", route))
    assert_as_registered(artifacts, version.path)


SPELLINGS = {
    "encoded": lambda path: "".join(f"%{ord(letter):02x}" for letter in path),
    "encoded twice": lambda path: quote(quote(path, safe=""), safe=""),
    "encoded four times": lambda path: quote(quote(quote(quote(path, safe="")))),
    "dots": lambda path: path.replace("/model", "/./model"),
    "up and down": lambda path: path.replace("/model", "/other/../model"),
    "up and down, encoded": lambda path: path.replace("/model", "/other%2f%2e%2e/model"),
    "up and down, encoded twice": lambda path: path.replace("/model", "/x%252f..%252fmodel"),
    "slashes": lambda path: path.replace("/model", "//model"),
    "slash in front": lambda path: f"/{path}",
    "backslash": lambda path: path.replace("/model", "/x\\..\\model"),
    "trailing dot": lambda path: f"{path}/.",
    "query in the path": lambda path: f"{path}%3fx=1",
    "nul": lambda path: f"{path}%00",
    "scheme": lambda path: f"file:{path}",
    "scheme, encoded": lambda path: f"file%3a{path}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_the_path_gets_around_the_guard(
    spelling: str, artifacts: Artifacts, version: Version
) -> None:
    spelled = SPELLINGS[spelling](f"{version.path}/MLmodel")
    for route in (API, AJAX):
        artifacts.put(spelled, b"evil", route)
        artifacts.delete(spelled, route)
    folder = SPELLINGS[spelling](version.path)
    artifacts.delete(folder)
    assert_as_registered(artifacts, version.path)


def test_what_is_not_registered_is_written_and_deleted_as_before(
    client: Any, artifacts: Artifacts, version: Version, guarded_mlflow: MlflowServer
) -> None:
    run = train(client)
    path = f"0/{run.info.run_id}/artifacts/model"
    assert artifacts.put(f"{path}/MLmodel", b"better")[0] == 200
    assert (artifacts.folder / path / "MLmodel").read_bytes() == b"better"
    assert artifacts.delete(path)[0] == 200
    assert not (artifacts.folder / path).exists()
    # Beside the version's files, in the same run, too: an evaluation is logged after registration.
    client.log_text(version.run.info.run_id, "0.9", "evaluation/auc.txt")
    sibling = f"{version.path}-2/MLmodel"
    assert artifacts.put(sibling, b"fine")[0] == 200
    ungoverned = register(client, guarded_mlflow, "sandbox")
    assert artifacts.put(f"{ungoverned.path}/MLmodel", b"better")[0] == 200
    assert_as_registered(artifacts, version.path)


def test_client_is_told_why_also_of_a_large_file(
    client: Any, version: Version, tmp_path: Path
) -> None:
    from requests.exceptions import HTTPError

    large = tmp_path / "MLmodel"
    large.write_bytes(b"evil" * 5_000_000)
    with pytest.raises(HTTPError, match="files of a registered version are write-once"):
        client.log_artifact(version.run.info.run_id, str(large), "model")


def test_version_registered_during_an_upload_keeps_the_bytes_it_was_registered_with(
    client: Any, artifacts: Artifacts, guarded_mlflow: MlflowServer
) -> None:
    run = train(client)
    path = f"0/{run.info.run_id}/artifacts/model"
    address = urlsplit(guarded_mlflow.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as upload:
        upload.sendall(
            f"PUT {API}/artifacts/{path}/MLmodel HTTP/1.1\r\nHost: {address.netloc}\r\n"
            "Content-Length: 8\r\nConnection: close\r\n\r\nev".encode()
        )
        # The upload has begun once its temporary file is there.
        while not any((artifacts.folder / path).glob(".artifact.uploading.*")):
            pass
        client.create_registered_model(name := f"gov-slow-{next(guarded_mlflow.names)}")
        client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
        upload.sendall(b"il more")
        answer = b"".join(iter(lambda: upload.recv(65_536), b""))
    assert b" 403 " in answer.splitlines()[0]
    assert b"write-once" in answer
    assert_as_registered(artifacts, path)


@pytest.mark.parametrize(
    "source",
    ["{uri}/model", "{uri}/%6dodel", "{uri}/model/", "runs:/{run}/model", "{storage}/model"],
)
def test_source_may_be_spelled_in_any_way(
    source: str, client: Any, artifacts: Artifacts, guarded_mlflow: MlflowServer
) -> None:
    run = train(client)
    path = f"0/{run.info.run_id}/artifacts/model"
    name = f"gov-spelled-{next(guarded_mlflow.names)}"
    client.create_registered_model(name)
    client.create_model_version(name, "s3://bucket/model")
    storage = artifacts.folder / "0" / run.info.run_id / "artifacts"
    spelled = source.format(uri=run.info.artifact_uri, run=run.info.run_id, storage=storage)
    if source.startswith("{storage}"):
        # MLflow takes no such source over REST; older servers did, and the row is there.
        with closing(sqlite3.connect(guarded_mlflow.database)) as database, database:
            database.execute(
                "UPDATE model_versions SET source = ?, storage_location = ?,"
                " last_updated_time = last_updated_time + 1 WHERE name = ?",
                (spelled, spelled, name),
            )
    else:
        client.create_model_version(name, spelled, run.info.run_id)
    assert_refused(artifacts.put(f"{path}/MLmodel", b"evil"), name)
    assert_as_registered(artifacts, path)


def test_logged_models_are_guarded_by_their_id_and_by_their_run(
    client: Any, artifacts: Artifacts, guarded_mlflow: MlflowServer
) -> None:
    for by_run in (False, True):
        run = client.create_run("0")
        model = client.create_logged_model("0", name="clf", source_run_id=run.info.run_id)
        path = urlsplit(model.artifact_location).path.lstrip("/")
        assert artifacts.put(f"{path}/MLmodel", b"good")[0] == 200
        assert artifacts.put(f"{path}/deep/weights.bin", b"weights")[0] == 200
        client.create_registered_model(name := f"gov-logged-{next(guarded_mlflow.names)}")
        if by_run:
            client.create_model_version(name, f"runs:/{run.info.run_id}/clf", run.info.run_id)
        else:
            client.create_model_version(
                name, f"models:/{model.model_id}", run.info.run_id, model_id=model.model_id
            )
        assert_refused(artifacts.put(f"{path}/MLmodel", b"evil"), name)
        assert_refused(artifacts.delete(path), name)
        assert_as_registered(artifacts, path)


def test_version_of_a_version_and_a_renamed_model_stay_guarded(
    client: Any, artifacts: Artifacts, guarded_mlflow: MlflowServer
) -> None:
    sandbox = register(client, guarded_mlflow, "sandbox")
    assert artifacts.put(f"{sandbox.path}/MLmodel", b"good")[0] == 200
    client.create_registered_model(copy := f"gov-copy-{next(guarded_mlflow.names)}")
    client.copy_model_version(f"models:/{sandbox.name}/1", copy)
    assert_refused(artifacts.put(f"{sandbox.path}/MLmodel", b"evil"), copy)
    assert_as_registered(artifacts, sandbox.path)


def test_ui_upload_route_is_guarded(artifacts: Artifacts, version: Version) -> None:
    path = "/ajax-api/2.0/mlflow/upload-artifact"
    run = version.run.info.run_id
    for name in ("model/MLmodel", "model/added"):
        answer = artifacts.send("POST", f"{path}?run_uuid={run}&path={name}", b"evil")
        assert_refused(answer)
    assert artifacts.send("POST", f"{path}?run_uuid={run}&path=notes.txt", b"fine")[0] == 200
    assert_as_registered(artifacts, version.path)


def test_shared_folder_registered_as_a_version_stops_nobody(
    client: Any, artifacts: Artifacts, guarded_mlflow: MlflowServer
) -> None:
    client.create_registered_model(name := f"gov-broad-{next(guarded_mlflow.names)}")
    client.create_model_version(name, "s3://bucket/model")
    with closing(sqlite3.connect(guarded_mlflow.database)) as database, database:
        database.execute(
            "UPDATE model_versions SET source = 'mlflow-artifacts:/0',"
            " last_updated_time = last_updated_time + 1 WHERE name = ?",
            (name,),
        )
    run = train(client)
    assert artifacts.put(f"0/{run.info.run_id}/artifacts/x", b"fine")[0] == 200
    assert f"version 1 of model '{name}' is registered with the folder '0'" in (
        guarded_mlflow.log_file.read_text()
    )


def test_nothing_is_written_or_deleted_while_the_registry_cannot_be_asked(
    client: Any, artifacts: Artifacts, guarded_mlflow: MlflowServer
) -> None:
    run = train(client)
    path = f"0/{run.info.run_id}/artifacts/model"
    with closing(sqlite3.connect(guarded_mlflow.database)) as database:
        database.execute("ALTER TABLE model_versions RENAME TO model_versions_lost")
        try:
            answers = [artifacts.put(f"{path}/MLmodel", b"evil"), artifacts.delete(path)]
        finally:
            database.execute("ALTER TABLE model_versions_lost RENAME TO model_versions")
    for status, body in answers:
        assert status == 503  # which clients repeat
        assert "the registry, which knows what is registered, cannot be asked" in body
    assert_as_registered(artifacts, path)
    assert artifacts.put(f"{path}/MLmodel", b"better")[0] == 200
