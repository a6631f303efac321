"""`registry connect` against a live MLflow: what it makes, and what it says stands in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command

from lineage.domain.rows import Webhook
from registry.models import RegistrySource, WebhookDelivery
from tests.integration.lineage.scripted import Answer, Asked, ScriptedServer
from tests.integration.registry.live import LiveRegistry, behind_the_back
from tests.integration.registry.test_hooks import walks_waiting

SECRET = "RISK_WEBHOOK_SECRET"


@pytest.fixture
def mlflow(live: LiveRegistry) -> Iterator[LiveRegistry]:
    """A live registry without webhooks, before and after."""
    behind_the_back("DELETE FROM webhooks")
    yield live
    behind_the_back("DELETE FROM webhooks")


def connect(*options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("registry", "connect", *options, "--json", stdout=out)
    said: dict[str, Any] = json.loads(out.getvalue())
    return said


def why_not(*options: str) -> str:
    """Return why connecting fails, as a person reads it."""
    with pytest.raises(CommandError) as refused:
        call_command("registry", "connect", *options, stdout=StringIO())
    return str(refused.value)


def webhooks(live: LiveRegistry) -> tuple[Webhook, ...]:
    return live.client.list_webhooks()


def test_every_registry_event_is_delivered_and_twice_is_once(mlflow: LiveRegistry) -> None:
    url = f"{configured.MUNIMENT_URL}/hooks/mlflow"
    assert connect() == {"source": "default", "delivers_to": url, "webhook": "made"}
    assert walks_waiting() == 1
    assert connect()["webhook"] == "renewed"
    assert WebhookDelivery.objects.count() == 2
    [made] = webhooks(mlflow)
    assert (made.url, made.status, len(made.events)) == (url, "ACTIVE", 14)
    assert {entity for entity, _ in made.events} == {
        *("REGISTERED_MODEL", "MODEL_VERSION", "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS"),
        *("PROMPT", "PROMPT_VERSION", "PROMPT_TAG", "PROMPT_VERSION_TAG", "PROMPT_ALIAS"),
    }


def test_a_webhook_that_is_there_is_put_right(mlflow: LiveRegistry) -> None:
    """Another address, too few events, a secret of yesterday, switched off: one webhook again."""
    old = mlflow.client.create_webhook(
        name="muniment",
        url="http://127.0.0.1:9/hooks/mlflow",
        events=[("MODEL_VERSION", "CREATED")],
        secret="of yesterday",
    )
    mlflow.trainer.call("PATCH", f"webhooks/{old.webhook_id}", {"status": "DISABLED"})
    assert connect()["replaces"] == old.url
    [made] = webhooks(mlflow)
    assert (made.webhook_id, made.status, len(made.events)) == (old.webhook_id, "ACTIVE", 14)


def test_a_source_of_its_own_has_an_address_and_a_secret_of_its_own(
    mlflow: LiveRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    RegistrySource.objects.create(name="risk", uri=mlflow.url, webhook_secret_variable=SECRET)
    assert f"was not given {SECRET}" in why_not("--source", "risk")
    monkeypatch.setenv(SECRET, "of risk alone")
    connect()
    said = connect("--source", "risk")
    assert said["delivers_to"] == f"{configured.MUNIMENT_URL}/hooks/mlflow/risk"
    assert {hook.name for hook in webhooks(mlflow)} == {"muniment", "muniment.risk"}
    assert walks_waiting() == 2  # one of each source
    assert "no registry source 'nowhere'" in why_not("--source", "nowhere")


def test_a_signature_that_muniment_refuses_is_told_as_such(mlflow: LiveRegistry) -> None:
    """MLflow has no secret, or the web server has another: the real server says 401."""
    with ScriptedServer() as between:
        between.script = unsigned
        said = why_not("--url", between.url)
    assert "refused MLflow's signature (The delivery's signature is missing or wrong.)" in said
    assert "MUNIMENT_WEBHOOK_SECRET" in said
    assert not WebhookDelivery.objects.exists()


def unsigned(asked: Asked) -> Answer:
    """Hand a delivery on to Muniment without its signature; answer what Muniment answers."""
    headers = {name: text for name, text in asked.headers.items() if name.startswith("x-mlflow")}
    del headers["x-mlflow-signature"]
    answer = httpx.post(
        f"{configured.MUNIMENT_URL}{asked.target}", content=asked.body, headers=headers
    )
    return Answer(answer.status_code, answer.content)


def test_what_is_not_this_muniment_is_told_as_such(mlflow: LiveRegistry) -> None:
    said = why_not("--url", f"{configured.MUNIMENT_URL}/sub")
    assert "(HTTP 404), but not Muniment's receiver" in said
    with ScriptedServer() as somebody:
        said = why_not("--url", somebody.url)
        assert "not by the Muniment whose database this command uses" in said
        somebody.answer_in_turn(Answer(400, b"<h1>Bad Request (400)</h1>"))
        assert "ALLOWED_HOSTS" in why_not("--url", somebody.url)
    assert not WebhookDelivery.objects.exists()


def test_a_muniment_that_mlflow_does_not_reach_is_told_as_such(
    mlflow: LiveRegistry, capfd: pytest.CaptureFixture[str]
) -> None:
    said = why_not("--url", "http://127.0.0.1:9")
    assert "cannot reach Muniment at http://127.0.0.1:9/hooks/mlflow" in said
    assert "--url" in said
    # MLflow tries four times, which takes it some seconds.
    assert "waiting until MLflow has delivered to http://127.0.0.1:9" in capfd.readouterr().err


def test_an_encryption_key_that_changed_is_told_as_such(mlflow: LiveRegistry) -> None:
    connect()
    behind_the_back("UPDATE webhooks SET secret = 'encrypted under another key'")
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in why_not()
