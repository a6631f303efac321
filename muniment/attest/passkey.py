"""Passkeys: a person's own key signs a statement, so that nobody else can have made it.

A passkey signs a challenge (WebAuthn). Here the challenge is the SHA-256 of the statement itself,
without its place in the stream, which only the log knows, and without the assertion. Source:
https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from muniment.attest.digest import canonical_json
from muniment.attest.errors import AttestError
from muniment.attest.statement import STATEMENT_TYPE, STREAM_KEYS, Subject

MEMBER: Final = "passkey"
PARTS: Final = ("credential_id", "authenticator_data", "client_data_json", "signature")
MAX_PART_BYTES: Final = 8192
USER_PRESENT: Final = 0x01
USER_VERIFIED: Final = 0x04
# The hash of the relying party's id, a byte of flags, the count of signatures.
_SHORTEST_DATA: Final = 32 + 1 + 4


class PasskeyError(AttestError):
    """An assertion does not show that the person's key signed the statement."""

    default_code = "passkey.invalid"


def challenge_of(
    subjects: Sequence[Subject], predicate_type: str, predicate: Mapping[str, object]
) -> bytes:
    """Return the 32 bytes that a passkey signs for a statement.

    Law: the statement as it stands in the log gives the same, for its place in the stream and the
    assertion are left out.
    """
    signed = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": subject.name, "digest": subject.digest.as_set()} for subject in subjects
        ],
        "predicateType": predicate_type,
        "predicate": {
            name: value for name, value in predicate.items() if name not in (*STREAM_KEYS, MEMBER)
        },
    }
    return hashlib.sha256(canonical_json(signed)).digest()


def require_assertion(
    assertion: Mapping[str, object], *, challenge: bytes, public_key: bytes, rp_id: str
) -> None:
    """Accept only what that key signed over that challenge, with the person there and verified.

    Args:
        assertion: base64url texts under ``PARTS``.
        public_key: DER ``SubjectPublicKeyInfo``; P-256, Ed25519 or RSA.
        rp_id: the relying party's id, for which the key was enrolled.

    Raises:
        PasskeyError: a part is missing or malformed; another challenge, ceremony, origin or
            relying party; nobody was there, or nobody was verified; another key, or a signature
            that is not this key's.
    """
    data, client_data, signature = (read_part(assertion, name) for name in PARTS[1:])
    _require_client_data(client_data, challenge, rp_id)
    if len(data) < _SHORTEST_DATA:
        raise PasskeyError("the authenticator's data is cut short", code="passkey.shape")
    if data[:32] != hashlib.sha256(rp_id.encode()).digest():
        raise PasskeyError(
            f"it is for another relying party than {rp_id[:100]}", code="passkey.relying_party"
        )
    if not data[32] & USER_PRESENT:
        raise PasskeyError("the flag that somebody was present is missing", code="passkey.flags")
    if not data[32] & USER_VERIFIED:
        raise PasskeyError("the flag that the person was verified is missing", code="passkey.flags")
    _require_signature(public_key, data + hashlib.sha256(client_data).digest(), signature)


def read_part(assertion: Mapping[str, object], name: str) -> bytes:
    """Return one part of an assertion as bytes.

    Raises:
        PasskeyError: it is missing, too long, or not base64url in its one spelling.
    """
    text = assertion.get(name)
    if not isinstance(text, str) or not text or len(text) > MAX_PART_BYTES:
        raise PasskeyError(f"{name} is missing or too long", code="passkey.shape")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise PasskeyError(f"{name} is not base64url", code="passkey.shape") from error
    if write_part(content) != text:
        raise PasskeyError(f"{name} is not base64url in its one spelling", code="passkey.shape")
    return content


def write_part(content: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _require_client_data(client_data: bytes, challenge: bytes, rp_id: str) -> None:
    try:
        said = json.loads(client_data)
    except (ValueError, RecursionError) as error:
        raise PasskeyError("the client's data is not JSON", code="passkey.shape") from error
    if not isinstance(said, dict) or said.get("type") != "webauthn.get":
        raise PasskeyError("it was not made to sign with", code="passkey.ceremony")
    if said.get("challenge") != write_part(challenge):
        raise PasskeyError("it signs another statement than this one", code="passkey.challenge")
    if said.get("crossOrigin") not in (None, False) or not _is_of(said.get("origin"), rp_id):
        raise PasskeyError(f"it was made on a page outside {rp_id[:100]}", code="passkey.origin")


def _is_of(origin: object, rp_id: str) -> bool:
    try:
        parts = urlsplit(origin if isinstance(origin, str) else "")
        host = parts.hostname or ""
    except ValueError:
        return False
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")
    return is_secure and (host == rp_id or host.endswith(f".{rp_id}"))


def _require_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    try:
        key = load_der_public_key(public_key)
    except ValueError as error:
        raise PasskeyError("the enrolled key cannot be read", code="passkey.key") from error
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            raise PasskeyError("the enrolled key is of no kind that signs", code="passkey.key")
    except InvalidSignature as error:
        raise PasskeyError(
            "the signature is not the enrolled key's", code="passkey.signature"
        ) from error
