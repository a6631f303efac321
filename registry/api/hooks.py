"""What an MLflow server sends us: its own webhooks, and what our store inside it refused."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from registry.errors import HookRefused, HookTooLarge
from registry.services.gatekeeper import receive_gatekeeper_message
from registry.services.hooks import accept_delivery, count_refusal
from registry.services.sources import webhook_secret_named
from registry.tasks import request_walk


@csrf_exempt
@login_not_required
@require_POST
def receive_mlflow_event(request: HttpRequest, source_name: str | None = None) -> HttpResponse:
    """Take a delivery as a hint to walk a registry now; 401 without its MLflow's signature.

    Args:
        source_name: whose registry it is, and whose secret signs; the default source without it.
    """
    now = timezone.now()
    try:
        is_new = accept_delivery(
            delivery_id=request.headers.get("X-MLflow-Delivery-Id", ""),
            timestamp=request.headers.get("X-MLflow-Timestamp", ""),
            signature=request.headers.get("X-MLflow-Signature", ""),
            body=_body(request),
            secret=webhook_secret_named(source_name),
            now=now,
        )
    except HookRefused as error:
        count_refusal(actor=request.META.get("REMOTE_ADDR", "unknown"), reason=error.code, now=now)
        raise
    if is_new:
        request_walk(source_name or settings.MUNIMENT_SOURCE)
    return JsonResponse({"status": "accepted" if is_new else "already_seen"}, status=202)


@csrf_exempt
@login_not_required
@require_POST
def receive_gatekeeper(request: HttpRequest) -> HttpResponse:
    """Take what the store inside MLflow says; 401 without its signature."""
    now = timezone.now()
    try:
        received = receive_gatekeeper_message(
            delivery_id=request.headers.get("X-Muniment-Delivery-Id", ""),
            timestamp=request.headers.get("X-Muniment-Timestamp", ""),
            signature=request.headers.get("X-Muniment-Signature", ""),
            body=_body(request),
            secret=settings.GATEKEEPER_SECRET,
            now=now,
        )
    except HookRefused as error:
        count_refusal(actor=request.META.get("REMOTE_ADDR", "unknown"), reason=error.code, now=now)
        raise
    return JsonResponse({"status": received.value}, status=202)


def _body(request: HttpRequest) -> bytes:
    try:
        return request.body
    except RequestDataTooBig as error:
        raise HookTooLarge("The delivery is larger than any that MLflow sends.") from error
