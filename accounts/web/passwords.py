"""A new password for whoever lost theirs: proposed by an admin, chosen with two codes."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import ReauthenticationFailed, ResetRefused, UnknownPerson
from accounts.models import Proposal, User
from accounts.services.password_resets import choose_password, new_code, reset_change
from accounts.services.people import actor_of
from accounts.services.proposals import ask_for
from accounts.web.people import person_page


@never_cache
@sensitive_post_parameters("password")
@require_POST
def reset(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """Propose that a person may choose a new password; the first code is on the answer alone."""
    found = get_object_or_404(User, pk=person_id)
    code = new_code()
    try:
        asked = ask_for(
            change=reset_change(found, code),
            password=request.POST.get("password", ""),
            actor=actor_of(cast(User, request.user)),
            now=timezone.now(),
        )
    except (ReauthenticationFailed, UnknownPerson) as error:
        return person_page(request, found, {"reset_error": str(error)}, status=int(error.status))
    told = {"first_code": code}
    if isinstance(asked, Proposal):
        return person_page(request, found, {**told, "reset_proposal": asked})
    return person_page(request, found, {**told, "reset_said": asked})


@login_not_required
@never_cache
@sensitive_post_parameters("first", "second", "password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Ask for both codes and the new password; needs no session, for whoever comes has none."""
    if request.method != "POST":
        return render(request, "accounts/new_password.html")
    form = request.POST
    if form.get("password", "") != form.get("again", ""):
        return _again(request, "The two passwords differ. Nothing was changed.", status=400)
    try:
        choose_password(
            username=form.get("username", "").strip(),
            codes=(form.get("first", ""), form.get("second", "")),
            password=form.get("password", ""),
            now=timezone.now(),
        )
    except ResetRefused as error:
        return _again(request, str(error), status=int(error.status))
    except ValidationError as error:
        return _again(request, f"{' '.join(error.messages)} The codes can be used again.", 400)
    messages.success(request, "Your password is changed. Sign in with it.")
    return redirect("accounts:sign-in")


def _again(request: HttpRequest, why: str, status: int) -> HttpResponse:
    context = {"form_error": why, "username": request.POST.get("username", "")}
    return render(request, "accounts/new_password.html", context, status=status)
