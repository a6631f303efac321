from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

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


class Command(BaseCommand):
    help = "Have MLflow tell Muniment of registry events at once, by a signed webhook."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.WEBHOOK_SECRET:
            raise CommandError("Set MUNIMENT_WEBHOOK_SECRET first: deliveries are signed with it.")
        url = f"{settings.MUNIMENT_URL}/hooks/mlflow"
        client = MlflowClient(settings.MLFLOW_TRACKING_URI)
        try:
            if any(hook.url == url for hook in client.list_webhooks()):
                self.stderr.write(f"MLflow already delivers to {url}")
                return
            client.create_webhook(
                name="muniment", url=url, events=EVENTS, secret=settings.WEBHOOK_SECRET
            )
        except LineageError as error:
            raise CommandError(f"MLflow did not take the webhook: {error}") from error
        self.stderr.write(f"MLflow delivers registry events to {url}")
