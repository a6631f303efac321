from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from audits.management.json_command import JsonCommand
from lineage.errors import LineageError
from lineage.mlflow import MlflowClient

EVENTS = (
    ("REGISTERED_MODEL", "CREATED"),
    ("MODEL_VERSION", "CREATED"),
    ("MODEL_VERSION_TAG", "SET"),
    ("MODEL_VERSION_TAG", "DELETED"),
    ("MODEL_VERSION_ALIAS", "CREATED"),
    ("MODEL_VERSION_ALIAS", "DELETED"),
)


class Command(JsonCommand):
    help = "Have MLflow tell Muniment of registry events at once, by a signed webhook; try it."

    refusals = (LineageError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--url",
            default=settings.MUNIMENT_URL,
            help="this instance as the MLflow server reaches it (default: MUNIMENT_URL)",
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        if not settings.WEBHOOK_SECRET:
            raise CommandError("Set MUNIMENT_WEBHOOK_SECRET first: deliveries are signed with it.")
        url = f"{options['url'].rstrip('/')}/hooks/mlflow"
        client = MlflowClient(settings.MLFLOW_TRACKING_URI)
        hook = next((hook for hook in client.list_webhooks() if hook.url == url), None)
        if hook is None:
            hook = client.create_webhook(
                name="muniment", url=url, events=EVENTS, secret=settings.WEBHOOK_SECRET
            )
        delivery = client.test_webhook(hook.webhook_id)
        if not delivery.succeeded:
            answer = delivery.error or f"HTTP {delivery.response_status}"
            raise CommandError(
                f"MLflow cannot deliver to {url}: {answer}. Give --url an address that the MLflow "
                "server reaches; until then changes are found by the walk alone."
            )
        return {"delivers_to": url}
