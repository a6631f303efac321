"""Keys for tests, as servers load them: from PEM files, by URI."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from muniment.attest.keys import PublicKey, load_file_signer, public_key_pem_of


def private_key(scheme: str) -> PrivateKeyTypes:
    """Make a key of one scheme."""
    if scheme == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if scheme == "ecdsa-sha2-nistp256":
        return ec.generate_private_key(ec.SECP256R1())
    if scheme == "ecdsa-sha2-nistp384":
        return ec.generate_private_key(ec.SECP384R1())
    if scheme == "ecdsa-sha2-nistp521":
        return ec.generate_private_key(ec.SECP521R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: PrivateKeyTypes) -> str:
    """Return the key's public half."""
    encoded = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


def write_key(path: Path, scheme: str = "ed25519") -> str:
    """Write a new private key and return its URI."""
    key = private_key(scheme)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return f"file2:{path}"


def public_key_of(uri: str) -> PublicKey:
    """Return the verifying key of a key file."""
    return PublicKey.from_pem(public_key_pem_of(load_file_signer(uri)))
