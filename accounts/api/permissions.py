"""What a token may be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import IsAuthenticated

from accounts.models import ApiToken
from accounts.services.tokens import READ

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
