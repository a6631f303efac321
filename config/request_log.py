"""One line of the log for each request, and what is said with every line meanwhile."""

from __future__ import annotations

import time

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django_structlog.middlewares import RequestMiddleware


def client_address(request: HttpRequest) -> str:
    """Return the address that a request came from, for the log and for counting failed log-ins.

    Behind the TLS proxy it is the one that the proxy saw, which is the last that it names: those
    before it are whatever the client claimed. Without a proxy nobody is believed but the socket.
    """
    address: str = request.META.get("REMOTE_ADDR", "")
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return address
    seen = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
    return seen or address


class RequestLogMiddleware(RequestMiddleware):
    """django-structlog's, with our own client's address, and how long the answer took.

    It asks for a session's person only where there may be a session.
    """

    def prepare(self, request: HttpRequest) -> None:
        request.started_at_seconds = time.perf_counter()  # type: ignore[attr-defined]
        super().prepare(request)

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        took = time.perf_counter() - request.started_at_seconds  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(duration_ms=round(took * 1000, 1))
        super().handle_response(request, response)

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        structlog.contextvars.bind_contextvars(ip=client_address(request))

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        # Whoever bears a token is known as soon as the view has looked at it.
        has_token = "HTTP_AUTHORIZATION" in request.META and request.path_info.startswith("/api/")
        kind: type = type(request.user)
        if not (has_token and kind is SimpleLazyObject):
            RequestMiddleware.bind_user_id(request)
