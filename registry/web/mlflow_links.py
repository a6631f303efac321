"""Links into MLflow's own pages."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings


def model_link(name: str) -> str:
    """Return the address of a registered model's page in MLflow."""
    return f"{settings.MLFLOW_PUBLIC_URL}/#/models/{quote(name, safe='')}"


def version_link(name: str, version: int) -> str:
    """Return the address of a model version's page in MLflow."""
    return f"{model_link(name)}/versions/{version}"
