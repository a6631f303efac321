from __future__ import annotations

from django.urls import path

from registry.api.hooks import receive_gatekeeper, receive_mlflow_event

urlpatterns = [
    path("mlflow", receive_mlflow_event, name="mlflow-hook"),
    path("mlflow/<slug:source_name>", receive_mlflow_event, name="mlflow-hook-of-source"),
    path("gatekeeper", receive_gatekeeper, name="gatekeeper-hook"),
]
