"""The page with what the signed-in person signs with, and enrolling and removing it."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast
from uuid import UUID

import segno
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.one_time_codes import provisioning_uri
from accounts.errors import AccountsError, CeremonyOver, CredentialRefused
from accounts.models import Credential, User
from accounts.selectors import credentials_that_sign
from accounts.services.credentials import (
    begin_passkey,
    begin_totp,
    begun_totp_secret,
    enroll_passkey,
    enroll_totp,
    remove_credential,
)
from accounts.services.people import actor_of

SECRETS = sensitive_post_parameters("password", "code")


@require_safe
def credentials(request: HttpRequest) -> HttpResponse:
    """List what the person signs with."""
    return _page(request)


@SECRETS
@require_POST
def prepare_passkey(request: HttpRequest) -> HttpResponse:
    """Begin to enrol a passkey, for the page's script; answer what the browser is asked."""
    try:
        options = begin_passkey(
            person=_person(request),
            password=request.POST.get("password", ""),
            label=request.POST.get("label", ""),
            session=session_of(request),
            now=timezone.now(),
        )
    except AccountsError as error:
        return JsonResponse({"detail": str(error)}, status=error.status)
    return JsonResponse(options)


@require_POST
def add_passkey(request: HttpRequest) -> HttpResponse:
    """Enrol the passkey that the browser has made."""
    person = _person(request)
    try:
        enroll_passkey(
            person=person,
            session=session_of(request),
            answer=request.POST.get("answer", ""),
            actor=actor_of(person),
            now=timezone.now(),
        )
    except (CredentialRefused, CeremonyOver) as error:
        return _page(request, f"No passkey was enrolled. {error}", status=error.status)
    messages.success(request, f"Your passkey is enrolled. {_from_when(person)}")
    return redirect("accounts:credentials")


@SECRETS
@require_POST
def add_codes(request: HttpRequest) -> HttpResponse:
    """Begin to enrol one-time codes."""
    try:
        begin_totp(
            person=_person(request),
            password=request.POST.get("password", ""),
            label=request.POST.get("label", ""),
            session=session_of(request),
            now=timezone.now(),
        )
    except AccountsError as error:
        return _page(request, str(error), status=error.status)
    return redirect("accounts:confirm-codes")


@SECRETS
@never_cache
def confirm_codes(request: HttpRequest) -> HttpResponse:
    """Show the secret to its owner, once, and take the first code."""
    person, session, now = _person(request), session_of(request), timezone.now()
    problem = ""
    try:
        if request.method == "POST":
            enroll_totp(
                person=person,
                session=session,
                code=request.POST.get("code", ""),
                actor=actor_of(person),
                now=now,
            )
            messages.success(request, f"Your one-time codes are enrolled. {_from_when(person)}")
            return redirect("accounts:credentials")
    except CredentialRefused as error:
        problem = str(error)
    try:
        secret = begun_totp_secret(person=person, session=session, now=now)
    except CeremonyOver as error:
        messages.error(request, str(error))
        return redirect("accounts:credentials")
    uri = provisioning_uri(secret, username=person.username, instance=settings.PASSKEY_RP_ID)
    context = {
        "qr": _picture(uri),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "problem": problem,
    }
    status = HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK
    return render(request, "accounts/confirm_codes.html", context, status=status)


@SECRETS
@require_POST
def remove(request: HttpRequest, credential_id: UUID) -> HttpResponse:
    """Remove one of the person's credentials."""
    person = _person(request)
    try:
        remove_credential(
            person=person,
            credential_id=credential_id,
            password=request.POST.get("password", ""),
            actor=actor_of(person),
            now=timezone.now(),
        )
    except AccountsError as error:
        return _page(request, f"Nothing was removed. {error}", status=error.status)
    messages.success(request, "It is removed. What it signed before stays signed.")
    return redirect("accounts:credentials")


def session_of(request: HttpRequest) -> str:
    """Return the key of the session, to which a ceremony is bound."""
    return request.session.session_key or ""


def _from_when(person: User) -> str:
    newest = person.credentials.order_by("-enrolled_at")[0]
    if newest.confirmed_at is None:
        return "An admin confirms it before you can sign with it."
    if settings.SIGNING_DELAY_HOURS:
        return f"You can sign with it in {settings.SIGNING_DELAY_HOURS} hours."
    return "You can sign with it."


def _page(request: HttpRequest, problem: str = "", *, status: int = 200) -> HttpResponse:
    person = _person(request)
    held = list(person.credentials.order_by("enrolled_at"))
    signing = set(credentials_that_sign(person, timezone.now()).values_list("pk", flat=True))
    for one in held:
        one.signs = one.pk in signing  # type: ignore[attr-defined] # for the template
    context = {
        "credentials": held,
        "has_codes": any(one.kind == Credential.Kind.TOTP for one in held),
        "rp_id": settings.PASSKEY_RP_ID,
        "problem": problem,
        "entered_label": request.POST.get("label", ""),
    }
    return render(request, "accounts/credentials.html", context, status=status)


def _picture(uri: str) -> str:
    """Draw the QR code as SVG without a style of its own, which the strict policy refuses."""
    drawn = segno.make(uri, error="m", micro=False).svg_inline(
        scale=5, border=4, dark="#000", light="#fff", omitsize=True
    )
    return mark_safe(drawn)  # noqa: S308 # nosec - drawn here, of squares


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)  # LoginRequiredMiddleware lets nobody else in
