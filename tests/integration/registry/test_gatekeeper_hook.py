"""What the gatekeeper inside MLflow tells us: signed, stated once, and never a flood."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client

from audits.models import Disclosure, LogEntry, RefusalCount
from muniment.attest.commitment import text_commitment
from muniment.attest.envelope import parse_envelope
from registry.models import RegistrySource, WebhookDelivery
from registry.services.gatekeeper import ENTRIES_A_MINUTE
from tests.integration.web.world import MODEL, World

Tell = Callable[..., HttpResponse]
SECRET = "shared with the store inside MLflow"
REFUSED = {
    "event": "change.refused",
    "source": "default",
    "method": "set_registered_model_alias",
    "model": MODEL,
    "version": "2",
    "alias": "champion",
    "why": "Muniment governs this alias and the request carries no grant",
    "user": "mallory@bank.example",
    "count": 3,
    "first_at": "2026-11-25T13:00:00+00:00",
    "last_at": "2026-11-25T13:00:59.5+00:00",
    "dropped": 0,
}


@pytest.fixture
def tell(world: World, settings: Any) -> Tell:
    """Send a message as the store does, signed rightly unless the test says otherwise."""
    settings.GATEKEEPER_SECRET = SECRET
    client = Client()

    def send(message: Any = REFUSED, **changed: Any) -> HttpResponse:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        delivery_id = changed.get("delivery_id", str(uuid4()))
        timestamp = changed.get("timestamp", str(int(time.time())))
        signed = f"{delivery_id}.{timestamp}.".encode() + changed.get("signed_body", body)
        secret = changed.get("secret", SECRET).encode()
        signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        return client.post(
            "/hooks/gatekeeper",
            body,
            content_type="application/json",
            headers={
                "X-Muniment-Delivery-Id": delivery_id,
                "X-Muniment-Timestamp": timestamp,
                "X-Muniment-Signature": changed.get("signature", f"v1,{signature}"),
            },
        )

    return send


def stated() -> list[LogEntry]:
    return list(LogEntry.objects.filter(event="change.refused").order_by("pk"))


def detail_of(entry: LogEntry) -> dict[str, Any]:
    statement = json.loads(parse_envelope(bytes(entry.envelope)).payload)
    detail: dict[str, Any] = statement["predicate"]["detail"]
    return detail


def test_a_refusal_is_stated_on_the_models_stream_without_the_users_name(
    tell: Tell, world: World
) -> None:
    answer = tell()
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    [entry] = stated()
    version = world.version(2)
    assert (entry.subject_name, entry.stream) == (version.uri, version.registered_model.uri)
    assert (entry.actor_kind, entry.actor_id) == ("service", "gatekeeper")
    assert not entry.is_violation
    detail = detail_of(entry)
    assert (detail["method"], detail["alias"], detail["version"]) == (
        "set_registered_model_alias",
        "champion",
        2,
    )
    assert (detail["count"], detail["why"]) == (3, REFUSED["why"])
    assert b"mallory" not in bytes(entry.envelope)
    opened = Disclosure.objects.get(commitment=detail["user_commitment"])
    assert opened.text == REFUSED["user"]
    assert text_commitment(bytes(opened.salt), opened.text) == detail["user_commitment"]


def test_two_refusals_of_one_user_cannot_be_linked_in_the_log(tell: Tell) -> None:
    tell()
    tell()
    first, second = (detail_of(entry)["user_commitment"] for entry in stated())
    assert first != second


def test_a_model_that_is_not_mirrored_has_its_refusals_on_no_stream(tell: Tell) -> None:
    tell(REFUSED | {"model": "not-mirrored", "user": "", "version": ""})
    [entry] = stated()
    assert (entry.stream, entry.subject_name) == (None, "source:default")
    detail = detail_of(entry)
    assert (detail["model"], detail["version"], detail["user_commitment"]) == (
        "not-mirrored",
        None,
        None,
    )


def test_what_the_store_did_not_sign_now_is_refused_and_does_nothing(tell: Tell) -> None:
    for changed in (
        {"secret": "guessed"},
        {"signature": ""},
        {"signature": "v1,"},
        {"signed_body": b"{}"},
        {"timestamp": str(int(time.time()) - 3_600)},
        {"timestamp": str(int(time.time()) + 3_600)},
        {"timestamp": "soon"},
        {"delivery_id": "not-a-uuid"},
    ):
        answer = tell(**changed)
        assert (answer.status_code, answer.json()["code"]) == (401, "hook_refused"), changed
    assert not stated()
    assert not WebhookDelivery.objects.exists()
    assert RegistrySource.objects.get(pk="default").gatekeeper_seen_at is None


def test_without_a_secret_nothing_is_believed(tell: Tell, settings: Any) -> None:
    settings.GATEKEEPER_SECRET = ""
    assert tell(secret="").status_code == 401
    assert not stated()


def test_a_replay_is_ignored(tell: Tell) -> None:
    delivery_id = str(uuid4())
    tell(delivery_id=delivery_id)
    again = tell(delivery_id=delivery_id)
    assert (again.status_code, again.json()) == (202, {"status": "already_seen"})
    assert len(stated()) == 1


def test_a_message_that_could_not_be_stated_may_come_again(tell: Tell, settings: Any) -> None:
    delivery_id, key = str(uuid4()), settings.STATEMENT_KEY_URI
    settings.STATEMENT_KEY_URI = "file2:/nowhere/statement.pem"
    from audits.services.signing import statement_signer

    statement_signer.cache_clear()
    try:
        with pytest.raises(Exception, match="key"):
            tell(delivery_id=delivery_id)
    finally:
        settings.STATEMENT_KEY_URI = key
        statement_signer.cache_clear()
    assert not stated()
    assert not Disclosure.objects.filter(text=REFUSED["user"]).exists()
    assert tell(delivery_id=delivery_id).json() == {"status": "accepted"}
    assert len(stated()) == 1


def test_what_says_nothing_that_can_be_stated_is_answered_with_why(tell: Tell) -> None:
    for message in (
        b"\xff not json",
        [],
        REFUSED | {"event": "change.allowed"},
        REFUSED | {"source": "elsewhere"},
        REFUSED | {"model": "nul\x00"},
        REFUSED | {"model": "\ud800"},
    ):
        answer = tell(message)
        assert (answer.status_code, answer.json()["code"]) == (422, "hook_unreadable"), message
        assert answer.json()["detail"]
    assert not stated()
    assert not WebhookDelivery.objects.exists()


def test_a_store_that_guards_is_noted_and_not_logged(tell: Tell) -> None:
    before = LogEntry.objects.count()
    asked = datetime.now(UTC)
    answer = tell({"event": "store.guarding", "source": "default", "mlflow_version": "3.17.2"})
    assert answer.status_code == 202
    seen = RegistrySource.objects.get(pk="default").gatekeeper_seen_at
    assert seen is not None
    assert seen >= asked
    assert LogEntry.objects.count() == before


def test_nobody_can_flood_the_log_by_inventing_models(tell: Tell) -> None:
    sent = 2 * ENTRIES_A_MINUTE + 15
    answers = [
        tell(REFUSED | {"model": f"invented-{number}", "user": ""}).json()["status"]
        for number in range(sent)
    ]
    minutes = RefusalCount.objects.filter(actor="gatekeeper of default")
    assert sum(row.count for row in minutes) == sent
    # The minute may have turned meanwhile, once.
    assert ENTRIES_A_MINUTE <= len(stated()) <= ENTRIES_A_MINUTE * len(minutes)
    assert answers.count("accepted") == len(stated())
    assert answers.count("counted") == sent - len(stated()) > 0


def test_the_log_page_shows_refusals(tell: Tell, world: World) -> None:
    tell()
    client = Client()
    client.force_login(world.people["auditor"])
    page = client.get("/log/", {"event": "change.refused"}).content.decode()
    assert f"{MODEL} v2" in page
    assert "Gatekeeper in MLflow" in page
    [entry] = stated()
    shown = client.get(f"/log/entries/{entry.sha256}/").content.decode()
    assert "carries no grant" in shown
    assert "mallory@bank.example" in shown
    Disclosure.objects.filter(text=REFUSED["user"]).delete()  # as erasing a person does
    shown = client.get(f"/log/entries/{entry.sha256}/").content.decode()
    assert "mallory" not in shown
    assert "erased" in shown
