"""Links into MLflow's own pages."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings

from registry.models import ModelVersion, RegisteredModel


def model_link(model: RegisteredModel) -> str:
    """Return the address of a registered model's page in its MLflow."""
    source = model.source
    base = source.public_url or (
        settings.MLFLOW_PUBLIC_URL if source.name == settings.MUNIMENT_SOURCE else source.uri
    )
    return f"{base.rstrip('/')}/#/models/{quote(model.name, safe='')}"


def version_link(version: ModelVersion) -> str:
    """Return the address of a model version's page in its MLflow."""
    return f"{model_link(version.registered_model)}/versions/{version.version}"
