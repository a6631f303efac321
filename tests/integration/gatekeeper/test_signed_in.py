"""MLflow protected as `docs/protect-mlflow.md` says: signed in, on PostgreSQL and with S3."""

from __future__ import annotations

import base64
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from muniment.grant import HEADER
from tests.integration.gatekeeper.conftest import running_mlflow
from tests.integration.gatekeeper.live import Answer, GrantCounter, GrantKey, MlflowServer
from tests.integration.gatekeeper.sql_guard import PAGE, Guarded
from tests.unit.docs.pages import fenced, section

pytestmark = pytest.mark.timeout(180)

ADMIN, TRAINER, EDITOR = "admin", "trainer", "editor"
PASSWORD = "correct horse battery"
ARTIFACTS = "/api/2.0/mlflow-artifacts"
GRANTS = "/api/3.0/mlflow"


@pytest.fixture(scope="module")
def bucket_url() -> Iterator[str]:
    """The address of an S3 server with the bucket `models`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            request = urllib.request.Request(f"{url}/models", method="PUT")
            try:
                urllib.request.urlopen(request, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait(10)


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    bucket_url: str,
    guarded: Guarded,
    grant_key: GrantKey,
    running_counter: GrantCounter,
) -> Iterator[MlflowServer]:
    """The command of the page; its database has `guard.sql` in it."""
    environment = {
        "MUNIMENT_URL": running_counter.url,
        "MUNIMENT_GRANT_PUBLIC_KEY_FILE": str(grant_key.public_key_file),
        "MUNIMENT_SOURCE": "main",
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests only",
        "MLFLOW_S3_ENDPOINT_URL": bucket_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    commands = fenced(section(PAGE, "## MLflow's own sign-in"), "sh")[0]
    words = shlex.split(commands.partition("\nmlflow server ")[2].replace("\\\n", " "))
    uri = guarded.url(guarded.gatekeeper)
    options = [word.replace("postgresql://mlflow@db/mlflow", uri) for word in words]
    assert [uri, f"muniment+{uri}"] == [word for word in options if uri in word]
    with running_mlflow(tmp_path_factory.mktemp("signed-in"), options, environment) as server:
        for user in (TRAINER, EDITOR):
            account = {"username": user, "password": PASSWORD}
            created = call(server, ADMIN, "POST", "/users/create", account)
            assert created.status == 200, created
        yield server


def call(
    server: MlflowServer,
    user: str | None,
    method: str,
    path: str,
    content: object = None,
    **how: Any,
) -> Answer:
    """Call MLflow as ``user``; as nobody if it is None."""
    headers = how.pop("headers", ())
    if user is not None:
        credentials = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        headers = (*headers, ("Authorization", f"Basic {credentials}"))
    return server.call(method, path, content, headers=headers, **how)


def stored(bucket_url: str, path: str) -> bytes:
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=bucket_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with closing(s3), closing(s3.get_object(Bucket="models", Key=path)["Body"]) as body:
        content: bytes = body.read()
        return content


def send_part(begun: Answer, content: bytes) -> dict[str, Any]:
    """Send the one part of a multipart upload to the storage, as MLflow's client does."""
    with httpx.Client(trust_env=False) as storage:
        sent = storage.put(begun.content["credentials"][0]["url"], content=content)
    assert sent.status_code == 200, sent.text
    return {"part_number": 1, "etag": sent.headers["ETag"]}


class Trained:
    """A version that the trainer registered, who may do all with it; the editor may edit it."""

    def __init__(self, server: MlflowServer) -> None:
        self.name = f"gov-signed-{next(server.names)}"
        made = call(server, TRAINER, "POST", "/experiments/create", {"name": self.name})
        experiment = {"experiment_id": made.content["experiment_id"]}
        run = call(server, TRAINER, "POST", "/runs/create", experiment)
        info = run.content["run"]["info"]
        self.path = urlsplit(info["artifact_uri"]).path.lstrip("/") + "/model"
        assert put(server, f"{self.path}/MLmodel", b"good").status == 200
        created = call(server, TRAINER, "POST", "/registered-models/create", {"name": self.name})
        assert created.status == 200, created
        version = {
            "name": self.name,
            "source": f"{info['artifact_uri']}/model",
            "run_id": info["run_id"],
        }
        for _ in range(2):
            created = call(server, TRAINER, "POST", "/model-versions/create", version)
            assert created.status == 200, created
        for kind, resource in (
            ("registered_model", self.name),
            ("experiment", experiment["experiment_id"]),
        ):
            may_edit = {"username": EDITOR, "permission": "EDIT"}
            may_edit |= {"resource_type": kind, "resource_id": resource}
            granted = call(
                server, ADMIN, "POST", "/users/permissions/grant", may_edit, prefix=GRANTS
            )
            assert granted.status == 200, granted


def put(server: MlflowServer, path: str, body: bytes, user: str = TRAINER) -> Answer:
    return call(server, user, "PUT", f"/artifacts/{path}", prefix=ARTIFACTS, raw=body)


def set_champion(server: MlflowServer, user: str | None, name: str, *tokens: str) -> Answer:
    return call(
        server,
        user,
        "POST",
        "/registered-models/alias",
        {"name": name, "alias": "champion", "version": "1"},
        headers=tuple((HEADER, token) for token in tokens),
    )


@pytest.fixture(scope="module")
def trained(server: MlflowServer) -> Trained:
    return Trained(server)


@pytest.mark.parametrize("user", [EDITOR, TRAINER, ADMIN])
def test_edit_on_a_model_and_even_admin_do_not_move_a_governed_alias(
    user: str, server: MlflowServer, trained: Trained
) -> None:
    refused = set_champion(server, user, trained.name)
    assert (refused.status, refused.error_code) == (403, "PERMISSION_DENIED")
    assert "carries no grant" in refused.message
    other = {"name": trained.name, "alias": "challenger", "version": "1"}
    assert call(server, user, "POST", "/registered-models/alias", other).status == 200


def test_a_grant_moves_the_alias_for_whom_mlflow_lets_in(
    server: MlflowServer,
    trained: Trained,
    counter: GrantCounter,
    make_token: Callable[..., str],
) -> None:
    token = make_token(trained.name)
    assert set_champion(server, None, trained.name, token).status == 401
    assert set_champion(server, TRAINER, trained.name, token).status == 200
    assert list(counter.states.values())[-1] == "confirmed"


@pytest.mark.parametrize("user", [TRAINER, ADMIN])
def test_files_of_a_registered_version_on_s3_are_write_once(
    user: str, server: MlflowServer, trained: Trained, bucket_url: str
) -> None:
    refused = put(server, f"{trained.path}/MLmodel", b"evil", user)
    assert (refused.status, refused.error_code) == (403, "PERMISSION_DENIED")
    assert "write-once" in refused.message
    assert put(server, f"{trained.path}-2/MLmodel", b"fine", EDITOR).status == 200
    refused = put(server, f"{trained.path}/MLmodel", b"evil", EDITOR)
    assert "write-once" in refused.message
    for path in (trained.path, f"{trained.path}/MLmodel", trained.path.partition("/")[0]):
        gone = call(server, user, "DELETE", f"/artifacts/{path}", prefix=ARTIFACTS)
        assert gone.error_code == "PERMISSION_DENIED", (path, gone)
    assert stored(bucket_url, f"{trained.path}/MLmodel") == b"good"


def multipart(server: MlflowServer, step: str, folder: str, content: dict[str, Any]) -> Answer:
    return call(server, TRAINER, "POST", f"/mpu/{step}/{folder}", content, prefix=ARTIFACTS)


def test_multipart_upload_to_a_registered_version_is_refused(
    server: MlflowServer, trained: Trained
) -> None:
    begin = {"path": "MLmodel", "num_parts": 1}
    for folder, file in ((trained.path, "MLmodel"), (trained.path, "x/../MLmodel")):
        refused = multipart(server, "create", folder, begin | {"path": file})
        assert (refused.status, refused.error_code) == (403, "PERMISSION_DENIED")


def test_multipart_upload_that_was_begun_before_registration_is_refused_at_its_end(
    server: MlflowServer, trained: Trained, bucket_url: str
) -> None:
    folder = f"{trained.path}-next"
    assert put(server, f"{folder}/MLmodel", b"good").status == 200
    begun = multipart(server, "create", folder, {"path": "MLmodel", "num_parts": 1})
    assert begun.status == 200, begun
    part = send_part(begun, b"evil")
    version = {"name": trained.name, "source": f"mlflow-artifacts:/{folder}"}
    version["run_id"] = trained.path.split("/")[1]
    registered = call(server, TRAINER, "POST", "/model-versions/create", version)
    assert registered.status == 200, registered
    end = {"path": "MLmodel", "upload_id": begun.content["upload_id"], "parts": [part]}
    refused = multipart(server, "complete", folder, end)
    assert (refused.status, refused.error_code) == (403, "PERMISSION_DENIED")
    assert stored(bucket_url, f"{folder}/MLmodel") == b"good"
    free = f"{trained.path}-free"
    begun = multipart(server, "create", free, {"path": "MLmodel", "num_parts": 1})
    end = {
        "path": "MLmodel",
        "upload_id": begun.content["upload_id"],
        "parts": [send_part(begun, b"fine")],
    }
    assert multipart(server, "complete", free, end).status == 200
    assert stored(bucket_url, f"{free}/MLmodel") == b"fine"


def test_presigned_upload_is_refused_because_its_address_outlives_every_check() -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    from muniment.mlflow.artifacts import ArtifactsGuard, guarded_class

    guard = ArtifactsGuard(destination=None, files=None, messenger=None)  # type: ignore[arg-type]
    repository = guarded_class(S3ArtifactRepository, guard)("s3://models")
    with pytest.raises(MlflowException, match="create_presigned_upload_url is refused"):
        repository.create_presigned_upload_url("0/run/artifacts/model/MLmodel")
