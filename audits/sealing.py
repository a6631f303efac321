"""Handing a secret from one process to another through a database that must not know it.

X25519 between a key that is born with one waiting reader and one that is born with the message,
HKDF-SHA-256, ChaCha20-Poly1305: nobody but that reader's memory can open what was sealed for it.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PURPOSE: Final = b"muniment one reader v1"
_KEY_BYTES: Final = 32
# The cipher's key is used for one message, so that no nonce can come twice.
_NONCE: Final = bytes(12)


class NotForThisReader(Exception):
    """What was sealed is not for this reader, or was changed since."""

    code = "sealing.not_for_this_reader"


class OneReader:
    """Somebody who waits for one secret; what is sealed for them dies with this object."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.address = self._private.public_key().public_bytes_raw().hex()

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed for this reader.

        Raises:
            NotForThisReader: it was sealed for another, or changed.
        """
        sender, content = sealed[:_KEY_BYTES], sealed[_KEY_BYTES:]
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(sender))
            cipher = ChaCha20Poly1305(_key(shared, sender, bytes.fromhex(self.address)))
            return cipher.decrypt(_NONCE, content, None)
        except (InvalidTag, ValueError) as error:
            raise NotForThisReader("This was sealed for another reader.") from error


def seal_for(address: str, content: bytes) -> bytes:
    """Seal ``content`` for the reader of this address.

    Law: ``reader.open(seal_for(reader.address, content)) == content``.

    Raises:
        ValueError: no reader has such an address.
    """
    reader = bytes.fromhex(address)
    private = X25519PrivateKey.generate()
    sender = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(reader))
    return sender + ChaCha20Poly1305(_key(shared, sender, reader)).encrypt(_NONCE, content, None)


def _key(shared: bytes, sender: bytes, reader: bytes) -> bytes:
    derived = HKDF(
        algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE + sender + reader
    )
    return derived.derive(shared)
