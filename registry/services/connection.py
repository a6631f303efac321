"""Having MLflow tell Muniment of registry events at once, and trying the whole path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings

from lineage.domain.rows import Webhook, WebhookDelivery
from lineage.errors import MlflowRefused, MlflowUnavailable
from lineage.mlflow import MlflowClient
from registry.errors import WebhookNotDelivered
from registry.models import RegistrySource
from registry.models import WebhookDelivery as SeenDelivery
from registry.services.sources import webhook_secret_of

# Every event that MLflow has of its registry and of its prompts.
EVENTS = (
    ("REGISTERED_MODEL", "CREATED"),
    ("MODEL_VERSION", "CREATED"),
    ("MODEL_VERSION_TAG", "SET"),
    ("MODEL_VERSION_TAG", "DELETED"),
    ("MODEL_VERSION_ALIAS", "CREATED"),
    ("MODEL_VERSION_ALIAS", "DELETED"),
    ("PROMPT", "CREATED"),
    ("PROMPT_VERSION", "CREATED"),
    ("PROMPT_TAG", "SET"),
    ("PROMPT_TAG", "DELETED"),
    ("PROMPT_VERSION_TAG", "SET"),
    ("PROMPT_VERSION_TAG", "DELETED"),
    ("PROMPT_ALIAS", "CREATED"),
    ("PROMPT_ALIAS", "DELETED"),
)
_MAX_NAME = 63
_WALK_ALONE = "Until then changes are found by the walk alone."


@dataclass(frozen=True, slots=True)
class Connection:
    """A webhook that was seen to work.

    Attributes:
        delivers_to: the address of Muniment that MLflow calls.
        replaces: the address that the same webhook called until now; empty where it did not move.
    """

    delivers_to: str
    is_new: bool
    replaces: str = ""


def hook_address(source: RegistrySource, base: str) -> str:
    """Return where a source's deliveries go, on a Muniment that is reached at `base`."""
    path = "" if source.name == settings.MUNIMENT_SOURCE else f"/{source.name}"
    return f"{base.rstrip('/')}/hooks/mlflow{path}"


def connect_source(*, source: RegistrySource, client: MlflowClient, base: str) -> Connection:
    """Make or renew a source's webhook in MLflow, have MLflow try it, and see it arrive.

    Twice is once: the webhook that is there gets the address, the events and the secret of now.

    Args:
        base: this Muniment, as the MLflow server reaches it.

    Raises:
        WebhookNotDelivered: what stands in the way, and what to do about it.
        MlflowUnavailable: MLflow does not answer us.
    """
    secret = webhook_secret_of(source)
    if not secret:
        raise WebhookNotDelivered(
            f"This process was not given {source.webhook_secret_variable}, which deliveries of "
            f"the source {source.name} are signed with. Set it for this command and for "
            "Muniment's web server, to the same random text."
        )
    url = hook_address(source, base)
    name = _name_of(source)
    found = _existing(client, url=url, name=name)
    try:
        if found is None:
            webhook = client.create_webhook(name=name, url=url, events=EVENTS, secret=secret)
        else:
            webhook = client.update_webhook(found.webhook_id, url=url, events=EVENTS, secret=secret)
    except MlflowRefused as error:
        raise WebhookNotDelivered(_words_of_refusal(url, str(error))) from error
    seen = set(SeenDelivery.objects.values_list("delivery_id", flat=True))
    delivery = client.test_webhook(webhook.webhook_id)
    if not delivery.succeeded:
        raise WebhookNotDelivered(_words_of_failure(source, url, delivery))
    # That somebody answered well is not enough: it must have been the Muniment of this database.
    if not SeenDelivery.objects.exclude(delivery_id__in=seen).exists():
        raise WebhookNotDelivered(
            f"MLflow delivered to {url} and was answered HTTP {delivery.response_status}, but not "
            "by the Muniment whose database this command uses: nothing arrived in it. Check "
            "--url, and what a proxy makes of it."
        )
    replaces = found.url if found is not None and found.url != url else ""
    return Connection(delivers_to=url, is_new=found is None, replaces=replaces)


def _existing(client: MlflowClient, *, url: str, name: str) -> Webhook | None:
    try:
        webhooks = client.list_webhooks()
    except MlflowUnavailable as error:
        if error.status is None:
            raise
        raise WebhookNotDelivered(
            f"MLflow cannot read its webhooks: {error} This is so where "
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY of the MLflow server is another than when they "
            "were made, or was never set and the server started again. Give it the key of then, "
            "or set one for good and delete the rows of MLflow's table webhooks."
        ) from error
    except MlflowRefused as error:
        raise WebhookNotDelivered(
            f"MLflow has no webhooks: {error} They need a registry in a SQL database. {_WALK_ALONE}"
        ) from error
    by_url = next((hook for hook in webhooks if hook.url == url), None)
    return by_url or next((hook for hook in webhooks if hook.name == name), None)


def _name_of(source: RegistrySource) -> str:
    if source.name == settings.MUNIMENT_SOURCE:
        return "muniment"
    # MLflow wants a letter or a digit at the end.
    return f"muniment.{source.name}"[:_MAX_NAME].rstrip("._-")


def _words_of_refusal(url: str, said: str) -> str:
    """Say why MLflow does not take an address."""
    if "scheme" in said:
        advice = (
            "Set MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https for the MLflow server and start it "
            "again, or give --url an https address."
        )
    elif "non-public" in said:
        advice = (
            "Set MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true for the MLflow server and start it again."
        )
    elif "resolve" in said:
        advice = "Give --url a host name that the MLflow server knows."
    else:
        advice = "Give --url an address that MLflow takes."
    return f"MLflow does not deliver to {url}: {said.rstrip('.')}. {advice} {_WALK_ALONE}"


def _words_of_failure(source: RegistrySource, url: str, delivery: WebhookDelivery) -> str:
    """Say why a test delivery did not arrive."""
    status = delivery.response_status
    if not status:
        said = delivery.error or "no answer"
        if "non-public" in said or "not a public IP" in said or "scheme" in said:
            return _words_of_refusal(url, said)
        return (
            f"MLflow cannot reach Muniment at {url}: {said.rstrip('.')}. Check that Muniment's "
            "web server runs, and give --url an address that the MLflow server reaches (not "
            f"localhost, where it is another machine or container). {_WALK_ALONE}"
        )
    said = _detail(delivery.answer)
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            f"Muniment's web server at {url} refused MLflow's signature ({said or 'HTTP 401'}). "
            f"It has no {source.webhook_secret_variable}, or another one than this command: give "
            "both the same, start the web server again, then run this again. If they are the "
            "same, compare the clocks of the two machines: five minutes are allowed."
        )
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return (
            f"Something answers at {url} (HTTP {status}), but not Muniment's receiver of "
            "webhooks. Give --url the address at which Muniment itself is reached, without a "
            f"path unless a proxy adds one. {_WALK_ALONE}"
        )
    if status == HTTPStatus.BAD_REQUEST:
        return (
            f"Muniment's web server does not take requests for {url} (HTTP 400). Add that host "
            f"name to its ALLOWED_HOSTS. {_WALK_ALONE}"
        )
    return f"MLflow delivered to {url} and was answered HTTP {status}. {said} {_WALK_ALONE}"


def _detail(answer: str) -> str:
    """Return the sentence of a problem document; empty where the answer is none."""
    try:
        problem = json.loads(answer)
    except ValueError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else ""
