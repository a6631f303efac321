"""What a token may be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, IsAuthenticated

from accounts.models import ApiToken
from accounts.services.tokens import EVIDENCE, READ, RECOMPUTE, ROLLBACK, WITHDRAW

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class MayRead(IsAuthenticated):
    """A signed-in person, or a token that was issued for reading."""

    message = "This token was not issued for reading."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        return not isinstance(request.auth, ApiToken) or READ in request.auth.scopes


class _MayWrite(MayRead):
    """A signed-in person, or a token that was issued for what it writes here."""

    scope = ""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        is_read = request.method in SAFE_METHODS
        return (
            is_read or not isinstance(request.auth, ApiToken) or self.scope in request.auth.scopes
        )


class MayRollBack(_MayWrite):
    """A signed-in person, or a token that was issued for rollback grants where it writes."""

    scope = ROLLBACK
    message = "This token was not issued for this: give it the scope read, and rollback to write."


class MayRecompute(_MayWrite):
    """A signed-in person, or a token that was issued for recomputations where it writes."""

    scope = RECOMPUTE
    message = "This token was not issued for this: give it the scope read, and recompute to write."


class MayWithdraw(_MayWrite):
    """A signed-in person, or a token that was issued for withdrawing data where it writes."""

    scope = WITHDRAW
    message = "This token was not issued for this: give it the scope read, and withdraw to write."


class MayReportEvidence(_MayWrite):
    """A signed-in person, or a token that was issued for evidence where it writes."""

    scope = EVIDENCE
    message = "This token was not issued for this: give it the scope read, and evidence to write."
