"""Every address of the product."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from health_check.views import HealthCheckView

urlpatterns = [
    path(
        "healthz",
        login_not_required(
            HealthCheckView.as_view(checks=["health_check.Database", "health_check.Cache"])
        ),
        name="health",
    ),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api-schema"),
    # Split: its script comes in a request of its own, which the Content-Security-Policy asks for.
    path(
        "api/v1/docs", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"
    ),
    path("api/v1/", include("registry.api.urls")),
    path("hooks/", include("registry.api.hook_urls")),
    path("log/", include("audits.api.urls")),
    path("", include("accounts.web.urls")),
    path("", include("audits.web.urls")),
    path("", include("registry.web.urls")),
]

handler400 = "config.problems.bad_request"
handler403 = "config.problems.permission_denied"
handler404 = "config.problems.not_found"
handler500 = "config.problems.server_error"
