"""Private keys by URI: where a key is kept is the operator's choice, not the code's."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from muniment.attest.envelope import EnvelopeSigner
from muniment.attest.errors import NoteError, TokenError
from muniment.attest.key_uri import file_of, parse_hsm_uri, parse_pkcs11_uri, split_uri
from muniment.attest.keys import load_file_signer
from muniment.attest.note import NoteSigner

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # no __all__


class KnownSigner(EnvelopeSigner, Protocol):
    """A securesystemslib Signer; its key's id is ``keyid_of`` the public key."""

    @property
    def public_key(self) -> SSlibKey: ...


def load_signer(uri: str) -> KnownSigner:
    """Load the key that signs envelopes.

    Args:
        uri: securesystemslib's: ``file2:<path>`` of an unencrypted PEM PKCS#8 key, or
            ``hsm:<key id>?label=<token>`` of an ECDSA key (P-256 or P-384) in a token, where
            MUNIMENT_PKCS11_MODULE and MUNIMENT_PKCS11_PIN_FILE say how to reach it.

    Raises:
        EnvelopeError: another URI scheme, or a key file that cannot be used.
        TokenError: a token, PIN or key in it that cannot be used. No message holds a PIN.
    """
    if split_uri(uri)[0] != "hsm":
        return load_file_signer(uri)
    place = parse_hsm_uri(uri)
    _require_package()
    from muniment.attest.pkcs11_keys import EcdsaTokenSigner

    return EcdsaTokenSigner(place)


def load_note_signer(name: str, uri: str) -> NoteSigner:
    """Load the key that signs notes as ``name``.

    Args:
        uri: ``file2:<path>`` of an unencrypted PEM PKCS#8 Ed25519 key, or
            ``pkcs11:token=…;object=…`` (RFC 7512) of one in a token, where
            MUNIMENT_PKCS11_MODULE and MUNIMENT_PKCS11_PIN_FILE say how to reach it.

    Raises:
        NoteError: a bad name, another URI scheme, or a key file that cannot be used.
        TokenError: a token, PIN or key in it that cannot be used. No message holds a PIN.
    """
    path = file_of(uri)
    if path is not None:
        return NoteSigner.from_file(name, path)
    if split_uri(uri)[0] != "pkcs11":
        raise NoteError(
            f"a log key is named file2:<path> or pkcs11:token=…;object=…, not "
            f"{split_uri(uri)[0][:20]}:…",
            code="note.key_uri",
        )
    place = parse_pkcs11_uri(uri)
    _require_package()
    from muniment.attest.pkcs11_keys import Ed25519TokenKey

    return NoteSigner(name, Ed25519TokenKey(place))


def _require_package() -> None:
    try:
        import_module("pkcs11")
    except ImportError as error:
        raise TokenError(
            "a key in a token needs the package python-pkcs11: pip install 'muniment[hsm]'",
            code="token.package",
        ) from error
