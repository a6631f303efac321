"""Public keys of passkeys: from COSE, as browsers give them, to what every tool reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ES256: Final = -7
EDDSA: Final = -8
RS256: Final = -257
ALGORITHMS: Final = (ES256, EDDSA, RS256)
"""What a passkey may sign with, the preferred one first (COSE, RFC 9053 and 8812)."""


def spki_of(cose: Mapping[int, Any]) -> bytes:
    """Return a COSE public key as DER `SubjectPublicKeyInfo`.

    Raises:
        ValueError: another algorithm than `ALGORITHMS`, another curve than theirs, an RSA key of
            under 2,048 bits, or no point of the curve.
        KeyError: a parameter is missing.
    """
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
    if (cose[1], cose[3]) == (2, ES256) and cose[-1] == 1:
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(cose[-2]), int.from_bytes(cose[-3]), ec.SECP256R1()
        )
        key = numbers.public_key()
    elif (cose[1], cose[3]) == (1, EDDSA) and cose[-1] == 6:
        key = ed25519.Ed25519PublicKey.from_public_bytes(cose[-2])
    elif (cose[1], cose[3]) == (3, RS256):
        key = rsa.RSAPublicNumbers(
            e=int.from_bytes(cose[-2]), n=int.from_bytes(cose[-1])
        ).public_key()
        if key.key_size < 2048:
            raise ValueError("an RSA key of under 2,048 bits")
    else:
        raise ValueError("a kind of key that is not taken")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
