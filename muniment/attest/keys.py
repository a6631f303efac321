"""Public keys that verify envelopes, and the file keys that sign them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from muniment.attest.errors import EnvelopeError

if TYPE_CHECKING:
    from securesystemslib.signer import (  # type: ignore[attr-defined] # it has no __all__
        CryptoSigner,
        SSlibKey,
    )

ED25519: Final = "ed25519"
ECDSA_P256: Final = "ecdsa-sha2-nistp256"
ECDSA_P384: Final = "ecdsa-sha2-nistp384"
SIGNING_SCHEMES: Final = (ED25519, ECDSA_P256, ECDSA_P384)
# Only for the PDF key, whose signatures are CMS and never an envelope's.
RSA_PKCS1: Final = "rsa-pkcs1v15-sha256"

_CURVES: Mapping[str, str] = {"secp256r1": ECDSA_P256, "secp384r1": ECDSA_P384}
_CURVE_HASHES: Mapping[str, Callable[[], HashAlgorithm]] = {ECDSA_P256: SHA256, ECDSA_P384: SHA384}


def keyid_of(public_key_pem: str | bytes) -> str:
    """Return the key's id: SHA-256, in hexadecimal, of its SubjectPublicKeyInfo DER.

    Raises:
        EnvelopeError: not a PEM public key.
    """
    return _keyid(_load_public_key(public_key_pem))


def scheme_of(public_key_pem: str | bytes) -> str:
    """Return the one signature scheme Muniment uses with this key.

    Raises:
        EnvelopeError: not a PEM public key, or a kind of key that is not used here.
    """
    return _scheme(_load_public_key(public_key_pem))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that envelope signatures are verified with.

    Law: ``PublicKey.from_pem(pem).keyid == keyid_of(pem)``.

    Attributes:
        keyid: SHA-256 of the SubjectPublicKeyInfo DER, lower-case hexadecimal.
        scheme: one of ``SIGNING_SCHEMES``.
    """

    keyid: str
    scheme: str
    _loaded: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @staticmethod
    def from_pem(public_key_pem: str | bytes, *, scheme: str | None = None) -> PublicKey:
        """Load a PEM public key; with ``scheme``, only if it is that key's scheme.

        Raises:
            EnvelopeError: not a PEM public key, not one of ``SIGNING_SCHEMES``, or not
                ``scheme``.
        """
        key = _load_verifying_key(public_key_pem)
        if scheme is not None and scheme != key.scheme:
            raise EnvelopeError(
                f"the key is {key.scheme}, it was said to be {scheme}", code="envelope.scheme"
            )
        return key

    def verify(self, signature: bytes, message: bytes) -> None:
        """Accept only this key's signature over exactly ``message``.

        Raises:
            EnvelopeError: the signature does not verify.
        """
        try:
            if isinstance(self._loaded, ed25519.Ed25519PublicKey):
                self._loaded.verify(signature, message)
            else:
                self._loaded.verify(signature, message, ec.ECDSA(_CURVE_HASHES[self.scheme]()))
        except InvalidSignature as error:
            raise EnvelopeError(
                f"the signature is not one of key {self.keyid[:16]}… over these bytes",
                code="envelope.signature",
            ) from error


class HasPublicKey(Protocol):
    """A securesystemslib Signer, as far as its public key goes."""

    @property
    def public_key(self) -> SSlibKey: ...


def load_file_signer(uri: str) -> CryptoSigner:
    """Load the private key that a securesystemslib ``file2:`` URI names.

    The signer's ``public_key.keyid`` is ``keyid_of`` its public key.

    Args:
        uri: ``file2:<path>`` of an unencrypted PEM PKCS#8 key.

    Raises:
        EnvelopeError: another URI scheme, a file that cannot be read, or a key that does not
            sign envelopes. The message never holds key material.
    """
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined] # no __all__

    scheme, _, location = uri.partition(":")
    if scheme != "file2" or not location:
        raise EnvelopeError(
            f"a file key is named file2:<path>, not {scheme}:…", code="envelope.key_uri"
        )
    try:
        private_key = load_pem_private_key(Path(location).read_bytes(), password=None)
    except OSError as error:
        raise EnvelopeError(
            f"cannot read the key file {location}: {error.strerror}", code="envelope.key_file"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EnvelopeError(
            f"{location} is not an unencrypted PEM private key", code="envelope.key_file"
        ) from error
    return CryptoSigner(private_key, sslib_key_of(private_key.public_key()))


def sslib_key_of(public_key: PublicKeyTypes) -> SSlibKey:
    """Return the key as securesystemslib knows it, under our id.

    Raises:
        EnvelopeError: a key that does not sign envelopes.
    """
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # no __all__

    scheme = _scheme(public_key)
    if scheme not in SIGNING_SCHEMES:
        raise EnvelopeError(f"{scheme} keys do not sign envelopes", code="envelope.scheme")
    return SSlibKey.from_crypto(public_key, _keyid(public_key), scheme)


def public_key_pem_of(signer: HasPublicKey) -> str:
    """Return the PEM SubjectPublicKeyInfo of the key that ``signer`` signs with."""
    value = cast("str", signer.public_key.keyval["public"])
    if signer.public_key.scheme != ED25519:
        return value
    # securesystemslib keeps an Ed25519 key as the hexadecimal of its 32 raw bytes.
    return ed25519_pem(bytes.fromhex(value))


def ed25519_pem(raw: bytes) -> str:
    """Return the PEM SubjectPublicKeyInfo of an Ed25519 key's 32 bytes."""
    loaded = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def raw_ed25519_key(public_key_pem: str | bytes) -> bytes:
    """Return the 32 bytes of an Ed25519 public key: ``ed25519_pem`` the other way round.

    Raises:
        EnvelopeError: not a PEM public key, or of another kind.
    """
    loaded = _load_public_key(public_key_pem)
    if not isinstance(loaded, ed25519.Ed25519PublicKey):
        raise EnvelopeError("not an Ed25519 key", code="envelope.scheme")
    return loaded.public_bytes_raw()


def _load_public_key(public_key_pem: str | bytes) -> PublicKeyTypes:
    pem = public_key_pem.encode() if isinstance(public_key_pem, str) else public_key_pem
    try:
        return load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EnvelopeError("not a PEM public key", code="envelope.public_key") from error


@lru_cache(maxsize=64)  # parsing costs about as much as verifying, and keys are few
def _load_verifying_key(public_key_pem: str | bytes) -> PublicKey:
    loaded = _load_public_key(public_key_pem)
    scheme = _scheme(loaded)
    if not isinstance(loaded, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise EnvelopeError(f"{scheme} keys do not sign envelopes", code="envelope.scheme")
    return PublicKey(_keyid(loaded), scheme, loaded)


def _keyid(public_key: PublicKeyTypes) -> str:
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _scheme(public_key: PublicKeyTypes) -> str:
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return ED25519
    if isinstance(public_key, ec.EllipticCurvePublicKey) and public_key.curve.name in _CURVES:
        return _CURVES[public_key.curve.name]
    if isinstance(public_key, rsa.RSAPublicKey):
        return RSA_PKCS1
    raise EnvelopeError("this kind of key is not used", code="envelope.scheme")
