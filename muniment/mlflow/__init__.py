"""The gatekeeper inside an MLflow server: a registry store that refuses what was not granted.

MLflow finds :func:`governed_store` through the entry point group
``mlflow.model_registry_store``, and :func:`guarded_artifacts` through
``mlflow.artifact_repository``, also in every client process that has the kit installed. So
this module loads nothing but the standard library until one of them is asked for.
"""

from __future__ import annotations

from typing import Any

SCHEME_PREFIX = "muniment+"

__all__ = ["SCHEME_PREFIX", "governed_store", "guarded_artifacts"]


def governed_store(store_uri: str, tracking_uri: str | None = None) -> Any:
    """Return MLflow's SQL registry store for ``store_uri``, guarded by Muniment.

    Args:
        store_uri: ``muniment+`` and the database URI that MLflow would have been given, for
            instance ``muniment+postgresql://mlflow@db/mlflow``.
        tracking_uri: accepted because MLflow passes it to plugins; not used.

    Returns:
        A ``mlflow.store.model_registry.sqlalchemy_store.SqlAlchemyStore`` whose methods refuse
        governed changes that carry no valid grant.

    Raises:
        MlflowException: the environment cannot be enforced as it stands; nothing is served
            rather than served unguarded.
    """
    from muniment.mlflow.store import open_store

    return open_store(store_uri.removeprefix(SCHEME_PREFIX))


def guarded_artifacts(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> Any:
    """Return MLflow's artifact repository for ``artifact_uri``, with registered files write-once.

    MLflow finds this through the entry point group ``mlflow.artifact_repository``.

    Args:
        artifact_uri: ``muniment+`` and the URI that MLflow would have been given as
            ``--artifacts-destination``, for instance ``muniment+s3://models``; or one below it.
        tracking_uri: handed on to MLflow's repository.
        registry_uri: likewise.

    Raises:
        MlflowException: the guard cannot keep its promise here; nothing is stored rather than
            stored unguarded.
    """
    from muniment.mlflow.artifacts import open_artifacts

    return open_artifacts(artifact_uri, tracking_uri, registry_uri)
