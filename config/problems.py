"""The boundary where errors become answers: problem+json for the API, a page for people."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.exceptions import TemplateDoesNotExist
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.errors import AccountsError
from audits.errors import AuditsError, RoleRequired
from registry.domain.errors import RegistryDomainError
from registry.errors import RegistryError

logger = structlog.get_logger(__name__)

PRODUCT_ERRORS = (AccountsError, AuditsError, RegistryError, RegistryDomainError)


def status_of(error: Exception) -> int:
    """Return the HTTP status that one of the product's errors has; 400 unless it says other."""
    if isinstance(error, RoleRequired):
        return HTTPStatus.FORBIDDEN
    return int(getattr(error, "status", HTTPStatus.BAD_REQUEST))


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
) -> Response:
    """Build an RFC 9457 `application/problem+json` answer."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": errors or [],
        # Bound by django-structlog's middleware: the same id as in the log's lines.
        "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
    }
    return Response(body, status=status, content_type="application/problem+json")


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Translate whatever a REST view raised; the one exception handler of the API."""
    if isinstance(error, PRODUCT_ERRORS):
        return problem(
            status=status_of(error),
            code=getattr(error, "code", "error"),
            detail=str(error),
        )
    if isinstance(error, RequestDataTooBig):
        return problem(status=413, code="too_large", detail="The request is too large.")
    if isinstance(error, RecursionError):
        error = drf.ParseError("The JSON is nested too deeply.")
    if isinstance(error, Http404):
        error = drf.NotFound(*error.args)
    elif isinstance(error, PermissionDenied):
        error = drf.PermissionDenied(*error.args)
    answered = exception_handler(error, context)
    if answered is None:
        logger.error("api.unexpected_error", exc_info=error)
        return problem(
            status=500,
            code="internal_error",
            detail="Muniment could not answer. The failure is in its log under this request id.",
        )
    translated = problem(
        status=answered.status_code,
        code=_code_of(error),
        detail=_detail_of(error),
        errors=_field_errors(error),
    )
    for name in ("WWW-Authenticate", "Retry-After", "Allow"):
        if name in answered:
            translated[name] = answered[name]
    return translated


def _code_of(error: Exception) -> str:
    if isinstance(error, drf.ValidationError):
        return "invalid_input"
    codes = error.get_codes() if isinstance(error, drf.APIException) else "error"
    return codes if isinstance(codes, str) else "error"


def _detail_of(error: Exception) -> str:
    if isinstance(error, drf.ValidationError):
        return "The input is not valid: see errors."
    return str(getattr(error, "detail", error))


def _field_errors(error: Exception) -> list[dict[str, Any]]:
    if not isinstance(error, drf.ValidationError):
        return []
    detail = error.detail
    fields = detail.items() if isinstance(detail, dict) else [("", detail)]
    return [
        {"field": name, "detail": str(message)}
        for name, messages in fields
        for message in (messages if isinstance(messages, list) else [messages])
    ]


class WebErrorMiddleware:
    """Show the product's own errors as a page that says what happened and what to do.

    So too where Django refuses a method, for which it has nothing but an empty answer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED and not answer.content:
            allowed = answer["Allow"]
            detail = f"{request.method} is not possible here. Possible: {allowed}."
            answer = error_page(request, answer.status_code, detail, code="method_not_allowed")
            answer["Allow"] = allowed
        return answer

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, PRODUCT_ERRORS):
            return None
        return error_page(request, status_of(error), str(error), code=getattr(error, "code", ""))


def error_page(
    request: HttpRequest, status: int, detail: str = "", *, code: str = ""
) -> HttpResponse:
    """Render the page of an HTTP status; the API's addresses answer problem+json instead."""
    context = {"status": status, "detail": detail, "code": code}
    if request.path.startswith(("/api/", "/hooks/")):
        answer = problem(status=status, code=code or "error", detail=detail)
        return _rendered(answer)
    try:
        return render(request, f"{status}.html", context, status=status)
    except TemplateDoesNotExist:
        return render(request, "error.html", context, status=status)


def _rendered(answer: Response) -> Response:
    from rest_framework.renderers import JSONRenderer

    answer.accepted_renderer = JSONRenderer()
    answer.accepted_media_type = "application/problem+json"
    answer.renderer_context = {}  # type: ignore[attr-defined] # what render() reads
    return answer.render()


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400, "The request could not be read.", code="bad_request")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 403, str(exception), code="permission_denied")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 404, "There is nothing at this address.", code="not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    return error_page(request, 500, code="internal_error")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_page(
        request,
        403,
        "The form had expired or came from elsewhere. Go back, reload the page and send it again.",
        code="csrf_failed",
    )
