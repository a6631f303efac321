from __future__ import annotations

from django.urls import path

from audits.web import (
    converters,  # noqa: F401  # registers <sha256:…>
    views,
)

app_name = "audits"
urlpatterns = [
    path("log/", views.log, name="log"),
    path("log/health", views.health, name="log-health"),
    path("log/checkpoint", views.checkpoint, name="checkpoint"),
    path("log/entries/<sha256:sha256>/", views.log_entry, name="log-entry"),
    path("log/entries/<sha256:sha256>/envelope", views.envelope, name="envelope"),
    path("log/entries/<sha256:sha256>/proof", views.inclusion, name="proof"),
    path("log/entries/<sha256:sha256>/bundle", views.bundle, name="bundle"),
    path("log/leaves/<int:leaf_index>/", views.log_leaf, name="log-leaf"),
    path("evidence/<uuid:evidence_id>/", views.evidence, name="evidence"),
]
