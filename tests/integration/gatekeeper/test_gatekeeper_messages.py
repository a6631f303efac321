"""Refusals reach Muniment's log from a live MLflow, and never hold up the registry."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from muniment.mlflow.messenger import PATH, Messenger, RefusedChange
from muniment.registrant import REGISTRANT_TAG, seal_registrant
from tests.integration.gatekeeper.conftest import running_mlflow
from tests.integration.gatekeeper.live import Answer, MlflowServer

if TYPE_CHECKING:
    from tests.integration.web.world import World

pytestmark = pytest.mark.timeout(180)

SECRET = "shared with the store inside MLflow"
PASSWORD = "correct horse battery"


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


class Receiver:
    """Muniment's address for messages, with real signatures.

    ``statuses`` are answered in turn, the last of them for ever; None does not answer.
    """

    def __init__(self) -> None:
        self.statuses: list[int | None] = [202]
        self.taken: list[dict[str, Any]] = []
        self.delivery_ids: list[str] = []
        self.released = threading.Event()
        receiver = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/muniment"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        delivery_id = request.headers["X-Muniment-Delivery-Id"]
        signed = f"{delivery_id}.{request.headers['X-Muniment-Timestamp']}.".encode() + body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
        assert request.headers["X-Muniment-Signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert urlsplit(request.path).path == f"/muniment{PATH}"
        self.delivery_ids.append(delivery_id)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            self.released.wait(20)
            return
        if status == 202:
            self.taken.append(json.loads(body))
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.released.set()
    receiver.server.shutdown()
    receiver.server.server_close()


def refused(model: str = "m", user: str = "ann", alias: str = "champion") -> RefusedChange:
    return RefusedChange("set_registered_model_alias", model, "1", alias, "no grant", user)


def test_refusals_of_one_kind_are_one_message_a_window_with_their_count(
    receiver: Receiver,
) -> None:
    messenger = Messenger(receiver.url, SECRET, "main", window_seconds=0.5)
    messenger.tell_refusal(refused())
    wait_until(lambda: receiver.taken)
    started = time.monotonic()
    for alias in ("champion", "Champion", "CHAMPION"):
        messenger.tell_refusal(refused(alias=alias))
    messenger.tell_refusal(refused(user="bob"))
    wait_until(lambda: len(receiver.taken) == 3)
    assert time.monotonic() - started > 0.2
    first, other, merged = receiver.taken
    assert (first["count"], first["alias"], first["source"]) == (1, "champion", "main")
    assert (other["user"], other["count"]) == ("bob", 1)
    assert (merged["user"], merged["count"], merged["dropped"]) == ("ann", 3, 0)
    assert merged["first_at"] <= merged["last_at"]


def test_a_message_is_sent_again_under_its_id_until_it_is_taken(receiver: Receiver) -> None:
    receiver.statuses = [503, 429, 202]
    messenger = Messenger(receiver.url, SECRET, "main")
    messenger.tell_guarding("3.17.2")
    wait_until(lambda: receiver.taken)
    assert receiver.taken == [
        {"event": "store.guarding", "mlflow_version": "3.17.2", "source": "main", "dropped": 0}
    ]
    assert len(receiver.delivery_ids) == 3
    assert len(set(receiver.delivery_ids)) == 1


def test_a_store_that_refuses_nothing_is_heard_of_again(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muniment.mlflow.messenger.GUARDING_SECONDS", 0.2)
    messenger = Messenger(receiver.url, SECRET, "main")
    messenger.tell_guarding("3.17.2")
    wait_until(lambda: len(receiver.taken) == 3)
    assert {told["event"] for told in receiver.taken} == {"store.guarding"}
    messenger.tell_refusal(refused())
    wait_until(lambda: "change.refused" in {told["event"] for told in receiver.taken})


def test_a_message_that_is_refused_or_failed_on_does_not_hold_up_the_next_for_ever(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muniment.mlflow.messenger.LONGEST_PAUSE_SECONDS", 0.1)
    receiver.statuses = [401, 500, 500, 500, 500, 202]
    messenger = Messenger(receiver.url, SECRET, "main")
    for model in ("refused", "failed-on", "told"):
        messenger.tell_refusal(refused(model))
    wait_until(lambda: receiver.taken)
    assert len(set(receiver.delivery_ids)) == 3
    assert [(told["model"], told["dropped"]) for told in receiver.taken] == [("told", 2)]


def test_telling_takes_no_time_while_muniment_hangs_and_what_does_not_fit_is_counted(
    receiver: Receiver,
) -> None:
    receiver.statuses = [None, 202]
    messenger = Messenger(receiver.url, SECRET, "main", capacity=10)
    messenger.tell_refusal(refused("first"))
    wait_until(lambda: receiver.delivery_ids)
    started = time.monotonic()
    for number in range(10_000):
        messenger.tell_refusal(refused(f"m-{number}"))
    assert time.monotonic() - started < 1
    receiver.released.set()
    wait_until(lambda: len(receiver.taken) == 11)
    assert [message["model"] for message in receiver.taken] == [
        "first",
        *(f"m-{number}" for number in range(10)),
    ]
    # The first was written before any was dropped; the next says how many were, once.
    assert [message["dropped"] for message in receiver.taken] == [0, 9_990, *[0] * 9]


@pytest.fixture(scope="module")
def signed_in_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow with its own sign-in, which tells the tests' own Muniment of refusals."""
    from tests.instance import INSTANCE

    folder = tmp_path_factory.mktemp("telling")
    environment = {
        "MUNIMENT_URL": INSTANCE.stack.addresses.web_url,
        "MUNIMENT_GATEKEEPER_SECRET": SECRET,
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests only",
    }
    options = [
        *("--app-name", "basic-auth"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--registry-store-uri", f"muniment+sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", f"muniment+file://{folder}/artifacts"),
    ]
    with running_mlflow(folder, options, environment) as server:
        yield server


def as_admin(server: MlflowServer, method: str, path: str, content: object, **how: Any) -> Answer:
    credentials = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    headers = (("Authorization", f"Basic {credentials}"),)
    return server.call(method, path, content, headers=headers, **how)


def test_refusals_reach_the_log_with_the_user_also_those_made_while_muniment_was_down(
    signed_in_mlflow: MlflowServer, world: World, settings: Any, request: pytest.FixtureRequest
) -> None:
    from audits.models import Disclosure, LogEntry
    from registry.models import RegistrySource
    from tests.integration.web.world import MODEL

    settings.GATEKEEPER_SECRET = SECRET
    alias = {"name": MODEL, "alias": "champion", "version": "2"}
    as_admin(signed_in_mlflow, "POST", "/registered-models/alias", alias)  # warm
    spent = []
    for _ in range(5):
        started = time.monotonic()
        answer = as_admin(signed_in_mlflow, "POST", "/registered-models/alias", alias)
        spent.append(time.monotonic() - started)
        assert (answer.status, answer.error_code) == (403, "PERMISSION_DENIED")
    assert sorted(spent)[2] < 1  # basic-auth's password hash takes most of it
    assert (
        as_admin(signed_in_mlflow, "POST", "/registered-models/create", {"name": "ordinary"}).status
        == 200
    )

    request.getfixturevalue("live_url")
    deleted = as_admin(signed_in_mlflow, "DELETE", "/registered-models/delete", {"name": MODEL})
    assert deleted.status == 403
    refusals = LogEntry.objects.filter(event="change.refused").order_by("pk")
    wait_until(lambda: refusals.count() >= 2)
    moved, removed = refusals[:2]
    assert moved.subject_name == world.version(2).uri
    assert moved.stream == removed.stream == world.version(2).registered_model.uri
    assert {row.text for row in Disclosure.objects.filter(person_id=None)} == {"admin"}
    assert b"admin" not in bytes(moved.envelope).lower()
    assert RegistrySource.objects.get(pk="default").gatekeeper_seen_at is not None
    assert SECRET not in signed_in_mlflow.log_file.read_text(errors="replace")


def test_a_refused_change_of_files_reaches_the_log_too(
    signed_in_mlflow: MlflowServer, world: World, settings: Any, live_url: str
) -> None:
    from audits.models import Disclosure, LogEntry
    from audits.selectors import decoded_statement
    from tests.integration.web.world import MODEL

    settings.GATEKEEPER_SECRET = SECRET
    run = as_admin(signed_in_mlflow, "POST", "/runs/create", {"experiment_id": "0"})
    info = run.content["run"]["info"]
    version = {"name": MODEL, "source": f"{info['artifact_uri']}/model", "run_id": info["run_id"]}
    as_admin(signed_in_mlflow, "POST", "/registered-models/create", {"name": MODEL})
    assert as_admin(signed_in_mlflow, "POST", "/model-versions/create", version).status == 200
    path = f"/artifacts/0/{info['run_id']}/artifacts"
    for _ in range(3):
        refused = as_admin(
            signed_in_mlflow, "DELETE", path, None, prefix="/api/2.0/mlflow-artifacts"
        )
        assert refused.status == 403

    def told() -> LogEntry | None:
        entries = LogEntry.objects.filter(event="change.refused")
        return next(
            (
                entry
                for entry in entries
                if decoded_statement(entry).predicate["detail"]["method"] == "delete_artifact"
            ),
            None,
        )

    entry = wait_until(told)
    assert entry.subject_name == world.version(1).uri
    assert {row.text for row in Disclosure.objects.filter(person_id=None)} == {"admin"}


def test_a_new_version_says_who_registered_it_whatever_its_client_says(
    signed_in_mlflow: MlflowServer,
) -> None:
    as_admin(signed_in_mlflow, "POST", "/registered-models/create", {"name": "sealed"})
    forged = {"key": "Muniment.Registrant", "value": "0" * 64}
    version = {"name": "sealed", "source": "s3://bucket/m", "tags": [forged]}
    made = as_admin(signed_in_mlflow, "POST", "/model-versions/create", version)
    assert made.status == 200, made
    tags = {tag["key"]: tag["value"] for tag in made.content["model_version"]["tags"]}
    place = {"registry": "default", "model": "sealed", "location": "s3://bucket/m"}
    assert tags == {REGISTRANT_TAG: seal_registrant("admin", secret=SECRET, **place)}
    change = {"name": "sealed", "version": "1", "key": REGISTRANT_TAG, "value": "0" * 64}
    told = as_admin(signed_in_mlflow, "POST", "/model-versions/set-tag", change)
    assert (told.status, told.error_code) == (403, "PERMISSION_DENIED")
