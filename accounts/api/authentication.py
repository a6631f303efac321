"""Bearer tokens for the REST API."""

from __future__ import annotations

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.services.tokens import find_token


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`; a malformed, unknown or expired one is 401."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2 or not parts[1].isascii():
            raise AuthenticationFailed("The Authorization header must be 'Bearer <token>'.")
        token = find_token(secret=parts[1].decode("ascii"), now=timezone.now())
        if token is None:
            raise AuthenticationFailed("The token is unknown, revoked or expired.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="muniment"'
