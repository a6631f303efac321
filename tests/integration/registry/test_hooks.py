"""MLflow's webhook: a signed hint is taken, everything else is refused and merely counted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from audits.models import LogEntry, RefusalCount
from config.celery import app
from registry import tasks
from registry.models import RegisteredModel, RegistrySource, WebhookDelivery
from tests.integration.registry.live import MODEL, LiveRegistry

BODY = json.dumps(
    {"entity": "model_version", "action": "created", "timestamp": "x", "data": {"name": MODEL}}
).encode()
Deliver = Callable[..., HttpResponse]


def signature(delivery_id: str, timestamp: str, body: bytes, secret: str) -> str:
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


@pytest.fixture
def deliver(committed_database: str) -> Deliver:
    """Send a delivery as MLflow does, signed rightly unless the test says otherwise."""
    client = Client()

    def send(body: bytes = BODY, **changed: Any) -> HttpResponse:
        delivery_id = changed.pop("delivery_id", str(uuid4()))
        timestamp = changed.pop("timestamp", str(int(time.time())))
        secret = changed.pop("secret", settings.WEBHOOK_SECRET)
        address = changed.pop("address", "/hooks/mlflow")
        headers = {
            "X-MLflow-Delivery-Id": delivery_id,
            "X-MLflow-Timestamp": timestamp,
            "X-MLflow-Signature": signature(delivery_id, timestamp, body, secret),
            **changed,
        }
        return client.post(
            address,
            body,
            content_type="application/json",
            headers={name: text for name, text in headers.items() if text is not None},
        )

    return send


def walks_waiting() -> int:
    with app.connection_for_read() as broker:
        return int(broker.default_channel.client.llen("default"))


def require_refusal(answer: HttpResponse, status: int = 401) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = json.loads(answer.content)
    assert said["status"] == status
    assert said["code"]
    assert said["detail"]
    assert said["request_id"]
    assert walks_waiting() == 0
    assert not WebhookDelivery.objects.exists()
    assert not LogEntry.objects.exists()
    return said


REFUSED: list[dict[str, Any]] = [
    {"X-MLflow-Signature": None},
    {"X-MLflow-Signature": ""},
    {"X-MLflow-Signature": "v1,"},
    {"X-MLflow-Signature": "v1,größe"},
    {"X-MLflow-Delivery-Id": str(uuid4())},
    {"X-MLflow-Delivery-Id": None},
    {"X-MLflow-Timestamp": "1"},
    {"X-MLflow-Timestamp": None},
    {"secret": "guessed"},
    {"secret": ""},
    {"timestamp": str(int(time.time()) - 3_600)},
    {"timestamp": str(int(time.time()) + 3_600)},
    {"timestamp": "soon"},
    {"timestamp": ""},
    {"timestamp": "9" * 400},
    {"timestamp": "9" * 5_000},
    {"timestamp": "-1"},
    {"delivery_id": "not-a-uuid"},
    {"delivery_id": ""},
]


def test_what_mlflow_did_not_sign_now_is_refused_and_does_nothing(deliver: Deliver) -> None:
    for changed in REFUSED:
        assert require_refusal(deliver(**changed))["code"] == "hook_refused", changed


def test_a_signature_is_for_its_body_alone(deliver: Deliver) -> None:
    delivery_id, timestamp = str(uuid4()), str(int(time.time()))
    good = signature(delivery_id, timestamp, BODY, settings.WEBHOOK_SECRET)
    answer = deliver(
        BODY + b" ",
        delivery_id=delivery_id,
        timestamp=timestamp,
        **{"X-MLflow-Signature": good},
    )
    require_refusal(answer)


def test_refusals_are_counted_by_actor_and_minute_and_never_logged(deliver: Deliver) -> None:
    for _ in range(7):
        deliver(secret="guessed")
    counts = RefusalCount.objects.all()
    assert sum(row.count for row in counts) == 7
    assert len(counts) <= 2  # the minute may have turned
    assert {(row.actor, row.reason) for row in counts} == {("127.0.0.1", "hook_refused")}
    assert not LogEntry.objects.exists()


def test_only_a_post_is_a_delivery(committed_database: str) -> None:
    client = Client()
    for method in ("get", "put", "delete", "patch"):
        answer = getattr(client, method)("/hooks/mlflow")
        assert answer.status_code == 405
        assert answer["Allow"] == "POST"
        require_refusal(answer, 405)


def test_a_huge_body_is_refused_unread(deliver: Deliver) -> None:
    said = require_refusal(deliver(b"x" * 3_000_000), 413)
    assert said["code"] == "too_large"


def test_a_signed_delivery_asks_for_a_walk_once(deliver: Deliver) -> None:
    delivery_id = str(uuid4())
    first = deliver(delivery_id=delivery_id)
    assert (first.status_code, first.json()) == (202, {"status": "accepted"})
    assert walks_waiting() == 1
    again = deliver(delivery_id=delivery_id)
    assert (again.status_code, again.json()) == (202, {"status": "already_seen"})
    assert deliver().status_code == 202  # another one, served by the walk that waits
    assert walks_waiting() == 1
    assert WebhookDelivery.objects.count() == 2


def test_each_source_has_a_secret_of_its_own(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one MLflow may sign is no hint about another, nor about a source that is not there."""
    risk = "/hooks/mlflow/risk"
    require_refusal(deliver(address=risk))
    RegistrySource.objects.create(
        name="risk", uri="http://mlflow.example", webhook_secret_variable="RISK_HOOK"
    )
    require_refusal(deliver(address=risk, secret=""))  # nothing is in RISK_HOOK yet
    monkeypatch.setenv("RISK_HOOK", "of risk alone")
    require_refusal(deliver(address=risk))
    require_refusal(deliver(secret="of risk alone"))
    require_refusal(deliver(address="/hooks/mlflow/nowhere", secret=""))
    assert deliver(address=risk, secret="of risk alone").status_code == 202
    with app.connection_for_read() as broker:
        [waiting] = broker.default_channel.client.lrange("default", 0, -1)
    body = base64.b64decode(json.loads(waiting)["body"])
    assert json.loads(body)[0] == ["risk"]


def test_a_body_that_is_no_json_is_still_only_a_hint(deliver: Deliver) -> None:
    """What was signed is asked again of MLflow; the body is never believed, nor even read."""
    assert deliver(b"\xff\x00 not json").status_code == 202
    assert not RegisteredModel.objects.exists()


def test_mlflow_itself_delivers_and_a_walk_follows(live: LiveRegistry) -> None:
    webhook = live.client.create_webhook(
        name=f"muniment-{uuid4().hex[:8]}",
        url=f"{settings.MUNIMENT_URL}/hooks/mlflow",
        events=[("MODEL_VERSION", "CREATED")],
        secret=settings.WEBHOOK_SECRET,
    )
    try:
        delivered = live.client.test_webhook(webhook.webhook_id)
        assert (delivered.succeeded, delivered.response_status) == (True, 202), delivered.error
    finally:
        live.trainer.call("DELETE", f"webhooks/{webhook.webhook_id}", {})
    assert walks_waiting() == 1
    live.new_model()
    tasks.walk_registry()
    assert RegisteredModel.objects.get().name == MODEL
