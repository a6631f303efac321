"""Private keys that never leave their token: what signs with them, through PKCS#11.

Importing this asks for the extra ``hsm``; ``signers`` does so only for a URI that names a token.

Source: PKCS#11 3.0 (OASIS).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, TypeVar

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_ec_public_key, encode_ecdsa_signature
from securesystemslib.signer import (  # type: ignore[attr-defined] # it has no __all__
    Signature,
    SSlibKey,
)

from muniment.attest.errors import EnvelopeError, TokenError
from muniment.attest.key_uri import TokenPlace
from muniment.attest.keys import ECDSA_P256, PublicKey, public_key_pem_of, sslib_key_of
from muniment.attest.pkcs11_session import token_of

# DER's OCTET STRING and BIT STRING before the 32 bytes: tokens differ in how they give a point.
_POINT_PREFIXES: Final = (b"\x04\x20", b"\x03\x21\x00", b"")

T = TypeVar("T")


class Ed25519TokenKey:
    """A log key in a token: an ``Ed25519Key``.

    Raises:
        TokenError: the token, its PIN or the key are not what they must be.
    """

    def __init__(self, place: TokenPlace) -> None:
        self._key = _TokenKey(place, KeyType.EC_EDWARDS)
        point = self._key.read_public(lambda key: bytes(key[Attribute.EC_POINT]))
        raw = next(
            (
                point[len(prefix) :]
                for prefix in _POINT_PREFIXES
                if point.startswith(prefix) and len(point) == len(prefix) + 32
            ),
            None,
        )
        if raw is None:
            raise _wrong_type(place, "an Edwards key of another curve", KeyType.EC_EDWARDS)
        self._public_key = Ed25519PublicKey.from_public_bytes(raw)

    def public_key(self) -> Ed25519PublicKey:
        """Return the public half, as it was read when the key was loaded."""
        return self._public_key

    def sign(self, data: bytes, /) -> bytes:
        """Return the 64 bytes of RFC 8032, verified before anybody else sees them.

        Raises:
            TokenError: the token does not sign, or with another key than the public one.
        """
        signature = self._key.sign(data, Mechanism.EDDSA)
        try:
            self._public_key.verify(signature, data)
        except InvalidSignature as error:
            raise _other_key(self._key.place) from error
        return signature


class EcdsaTokenSigner:
    """A statement or grant key in a token: an ``EnvelopeSigner``, as securesystemslib's are.

    Attributes:
        public_key: with ``keyid_of`` the key as its id.

    Raises:
        TokenError: the token, its PIN or the key are not what they must be.
    """

    def __init__(self, place: TokenPlace) -> None:
        self._key = _TokenKey(place, KeyType.EC)
        der = self._key.read_public(encode_ec_public_key)
        try:
            loaded = load_der_public_key(der)
            if not isinstance(loaded, EllipticCurvePublicKey):
                raise _wrong_type(place, type(loaded).__name__, KeyType.EC)
            self.public_key: SSlibKey = sslib_key_of(loaded)
        except (ValueError, EnvelopeError) as error:
            raise _wrong_type(place, "an EC key of another curve", KeyType.EC) from error
        self._verifier = PublicKey.from_pem(public_key_pem_of(self))

    def sign(self, payload: bytes, /) -> Signature:
        """Return the signature, verified before anybody else sees it.

        Raises:
            TokenError: the token does not sign, or with another key than the public one.
        """
        hashed = hashlib.sha256 if self._verifier.scheme == ECDSA_P256 else hashlib.sha384
        raw = self._key.sign(hashed(payload).digest(), Mechanism.ECDSA)
        signature = encode_ecdsa_signature(raw)
        try:
            self._verifier.verify(signature, payload)
        except EnvelopeError as error:
            raise _other_key(self._key.place) from error
        return Signature(self._verifier.keyid, signature.hex())


class _TokenKey:
    """A key pair in a token, found anew in every session."""

    def __init__(self, place: TokenPlace, key_type: KeyType) -> None:
        self.place = place
        self._key_type = key_type
        self._token = token_of(place)
        self._found: tuple[pkcs11.Session, pkcs11.SignMixin] | None = None
        self._token.use(self._private)

    def read_public(self, read: Callable[[pkcs11.PublicKey], T]) -> T:
        """Return what ``read`` says of the public half."""

        def find_and_read(session: pkcs11.Session) -> T:
            key = self._find(session, ObjectClass.PUBLIC_KEY, "public")
            assert isinstance(key, pkcs11.PublicKey)  # noqa: S101 - by its object class
            return read(key)

        return self._token.use(find_and_read)

    def sign(self, data: bytes, mechanism: Mechanism) -> bytes:
        """Return the token's signature, not verified yet."""
        return bytes(
            self._token.use(lambda session: self._private(session).sign(data, mechanism=mechanism))
        )

    def _private(self, session: pkcs11.Session) -> pkcs11.SignMixin:
        if self._found is None or self._found[0] is not session:
            key = self._find(session, ObjectClass.PRIVATE_KEY, "private")
            if not isinstance(key, pkcs11.SignMixin):
                raise TokenError(
                    f"{self.place} may not sign: its CKA_SIGN is false", code="token.key_type"
                )
            self._found = (session, key)
        return self._found[1]

    def _find(self, session: pkcs11.Session, object_class: ObjectClass, half: str) -> pkcs11.Object:
        wanted: dict[Attribute, object] = {Attribute.CLASS: object_class}
        if self.place.label is not None:
            wanted[Attribute.LABEL] = self.place.label
        if self.place.key_id is not None:
            wanted[Attribute.ID] = self.place.key_id
        found = list(session.get_objects(wanted))
        usable = [key for key in found if key[Attribute.KEY_TYPE] == self._key_type]
        if len(usable) > 1:
            raise TokenError(
                f"there are {len(usable)} {half} keys at {self.place}: name the key by its id too",
                code="token.two_keys",
            )
        if found and not usable:
            kind = found[0][Attribute.KEY_TYPE]
            raise _wrong_type(self.place, getattr(kind, "name", str(kind)), self._key_type)
        if not usable:
            raise TokenError(f"there is no {half} key at {self.place}", code="token.no_key")
        return usable[0]


def _wrong_type(place: TokenPlace, found: str, wanted: KeyType) -> TokenError:
    needed = "Ed25519" if wanted == KeyType.EC_EDWARDS else "ECDSA on P-256 or P-384"
    return TokenError(f"{place} is {found}, not {needed}", code="token.key_type")


def _other_key(place: TokenPlace) -> TokenError:
    return TokenError(
        f"the signature of {place} does not verify with the public key beside it",
        code="token.other_key",
    )
