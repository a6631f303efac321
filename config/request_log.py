"""One line of the log for each request, and what is said with every line meanwhile."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django_structlog.middlewares import RequestMiddleware


class RequestLogMiddleware(RequestMiddleware):
    """django-structlog's, which asks for a session's person only where there may be a session."""

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        # Whoever bears a token is known as soon as the view has looked at it.
        has_token = "HTTP_AUTHORIZATION" in request.META and request.path_info.startswith("/api/")
        kind: type = type(request.user)
        if not (has_token and kind is SimpleLazyObject):
            RequestMiddleware.bind_user_id(request)
