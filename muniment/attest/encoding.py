"""Base64 with one spelling for each byte string."""

from __future__ import annotations

import base64
import binascii

from muniment.attest.errors import AttestError


def decode_base64(text: object, *, error: type[AttestError], what: str) -> bytes:
    """Decode RFC 4648 section 4 base64, padded, and nothing that only resembles it.

    Raises:
        AttestError: of class ``error``, for anything that ``base64.b64encode`` does not write:
            another alphabet, white space, missing padding, or bits set in the padding.
    """
    if not isinstance(text, str):
        raise error(f"{what} is not a base64 string")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise error(f"{what} is not base64: {cause}") from cause
    if base64.b64encode(content).decode("ascii") != text:
        raise error(f"{what} is not base64 in its one canonical spelling")
    return content


def encode_base64(content: bytes) -> str:
    """Encode as padded RFC 4648 section 4 base64."""
    return base64.b64encode(content).decode("ascii")
