"""Signing in and out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class SignInForm(AuthenticationForm):
    """Django's form in our words; they never tell which of the two was wrong."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": (
            "This is not a user name with its password. Check both, small and capital letters too."
        ),
    }


class SignIn(LoginView):
    """Ask who it is; the only page that needs no session."""

    authentication_form = SignInForm
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True


class SignOut(LogoutView):
    """End the session; by POST alone, so that no link or image can do it."""


def locked_out(
    request: HttpRequest, original_response: HttpResponse, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Say that signing in is locked for this name from this address, and for how long."""
    detail = "There were too many wrong passwords for this name from this address."
    return render(request, "429.html", {"status": 429, "detail": detail}, status=429)
