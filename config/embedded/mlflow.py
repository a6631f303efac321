"""A real MLflow server, with Muniment's registry store plugged in, on its own database."""

from __future__ import annotations

import base64
import secrets
import sys

from config.embedded.home import Home
from config.embedded.probes import http_answers
from config.embedded.supervisor import Service

_DRIVER = "postgresql+psycopg"


class Mlflow:
    """The embedded MLflow server of one state folder."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def url(self) -> str:
        """Return the tracking URI."""
        return f"http://localhost:{self._port}"

    def service(
        self, environment: dict[str, str], *, database_url: str, governed: dict[str, str]
    ) -> Service:
        """Say how the server is started.

        Args:
            environment: the common part, without any secret.
            database_url: of the mlflow role.
            governed: what the registry store reads (`MUNIMENT_*`).
        """
        uri = database_url.replace("postgresql", _DRIVER, 1)
        artifacts = self._home.path.resolve() / "mlflow" / "artifacts"
        return Service(
            name="mlflow",
            title="MLflow",
            # Everything secret goes by the environment: a command line is for all to read.
            command=(
                *(sys.executable, "-m", "mlflow", "server"),
                *("--host", "127.0.0.1", "--port", str(self._port)),
                # More than one uvicorn worker costs 44 ms a request (no TCP_NODELAY).
                *("--workers", "1"),
            ),
            environment={
                **environment,
                **governed,
                "MLFLOW_BACKEND_STORE_URI": uri,
                "MLFLOW_REGISTRY_STORE_URI": f"muniment+{uri}",
                "MLFLOW_ARTIFACTS_DESTINATION": f"muniment+{artifacts.as_uri()}",
                "MLFLOW_SERVE_ARTIFACTS": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": self._home.secret(
                    "mlflow-webhook-encryption", _fernet_key
                ),
                "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
                "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
            },
            is_ready=http_answers(f"http://127.0.0.1:{self._port}/health"),
            cwd=self._home.path / "mlflow",
            ready_timeout_seconds=180.0,
            before=lambda: self._home.release_port("mlflow"),
        )

    @property
    def _port(self) -> int:
        return self._home.claim_port("mlflow")


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
