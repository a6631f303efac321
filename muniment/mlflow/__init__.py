"""The gatekeeper inside an MLflow server: a registry store that refuses what was not granted.

MLflow finds :func:`governed_store` through the entry point group
``mlflow.model_registry_store``, also in every client process that has the kit installed. So
this module loads nothing but the standard library until a store is asked for.
"""

from __future__ import annotations

from typing import Any

SCHEME_PREFIX = "muniment+"

__all__ = ["SCHEME_PREFIX", "governed_store"]


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
