"""The MLflow server, asked over HTTP. MLflow itself is never imported: that takes seven seconds."""

from __future__ import annotations

from lineage.mlflow.client import MlflowClient
from lineage.mlflow.transport import Access, Patience

__all__ = ["Access", "MlflowClient", "Patience"]
