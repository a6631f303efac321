"""Secrets of people at rest: encrypted under a key that is made from SECRET_KEY."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from accounts.errors import CredentialRefused

_PURPOSE = b"muniment: secrets of one-time codes, at rest"


def seal(secret: str) -> bytes:
    """Encrypt and authenticate a secret, to be kept in the database."""
    return _keys().encrypt(secret.encode())


def unseal(sealed: bytes | memoryview) -> str:
    """Return what was sealed under SECRET_KEY, or under one of SECRET_KEY_FALLBACKS.

    Raises:
        CredentialRefused: it was sealed under a key that is no longer there.
    """
    try:
        return _keys().decrypt(bytes(sealed)).decode()
    except InvalidToken as error:
        raise CredentialRefused(
            "The secret of your one-time codes cannot be read: the server's SECRET_KEY was "
            "changed since. Remove it under “Your credentials”, and enrol it again."
        ) from error


def _keys() -> MultiFernet:
    return MultiFernet(
        [_key(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _key(secret: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret.encode())))
