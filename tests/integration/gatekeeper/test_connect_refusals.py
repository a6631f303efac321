"""An MLflow server with its own defaults takes no webhook of Muniment's: which setting is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.integration.gatekeeper.live import MlflowServer


def test_the_setting_that_mlflow_lacks_is_named(
    guarded_mlflow: MlflowServer, committed_database: str, settings: Any
) -> None:
    settings.MLFLOW_TRACKING_URI = guarded_mlflow.url
    for url, words in (
        ("http://muniment.example", "MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https"),
        ("https://127.0.0.1:9", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true"),
        ("https://no-such-host.invalid", "a host name that the MLflow server knows"),
    ):
        with pytest.raises(CommandError, match=words) as refused:
            call_command("registry", "connect", "--url", url)
        assert "found by the walk alone" in str(refused.value)
