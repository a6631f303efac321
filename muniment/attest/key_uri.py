"""Where a private key is kept, as a URI says it. A URI holds no secret.

Sources: RFC 7512 (``pkcs11:``) and securesystemslib (``file2:``, ``hsm:``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from muniment.attest.errors import TokenError

_ATTRIBUTES: Final = frozenset(("token", "object", "id", "type"))
_NOT_HERE: Final = (
    "the module and the PIN are told by MUNIMENT_PKCS11_MODULE and MUNIMENT_PKCS11_PIN_FILE"
)


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """A key in a token.

    Attributes:
        token: its label; None for the only token there is.
        label: the key's, or None.
        key_id: the key's, or None; one of both is given.
    """

    token: str | None
    label: str | None
    key_id: bytes | None

    def __str__(self) -> str:
        named = [] if self.label is None else [f"object {self.label!r}"]
        named += [] if self.key_id is None else [f"id {self.key_id.hex()}"]
        named += [] if self.token is None else [f"token {self.token!r}"]
        return ", ".join(named)


def split_uri(uri: str) -> tuple[str, str]:
    """Return a URI's scheme and what comes after it; both empty where it is none."""
    scheme, colon, location = uri.partition(":")
    return (scheme, location) if colon else ("", "")


def file_of(uri: str) -> Path | None:
    """Return the file that a ``file2:`` URI names; None for every other."""
    scheme, location = split_uri(uri)
    return Path(location) if scheme == "file2" and location else None


def parse_pkcs11_uri(uri: str) -> TokenPlace:
    """Read ``pkcs11:token=…;object=…;id=…`` (RFC 7512); ``object`` or ``id`` may be left out.

    Raises:
        TokenError: another scheme or attribute, one given twice or without a value, no token,
            neither ``object`` nor ``id``, a ``type`` that is not private, or a query. The message
            repeats no value, for one could be a PIN.
    """
    scheme, location = split_uri(uri)
    path, question, _ = location.partition("?")
    if scheme != "pkcs11":
        raise _invalid("a key in a token is named pkcs11:token=…;object=…")
    if question:
        raise _invalid(f"a pkcs11: URI has no query here: {_NOT_HERE}")
    values: dict[str, bytes] = {}
    for part in path.split(";"):
        name, _, value = part.partition("=")
        if name not in _ATTRIBUTES:
            raise _invalid(f"a pkcs11: URI names token, object, id and nothing else; {_NOT_HERE}")
        if name in values or not value:
            raise _invalid(f"a pkcs11: URI gives its {name} once, and not empty")
        values[name] = unquote_to_bytes(value)
    if values.get("type", b"private") != b"private":
        raise _invalid("a pkcs11: URI that signs is of type=private")
    if "token" not in values or not values.keys() & {"object", "id"}:
        raise _invalid("a pkcs11: URI gives the token, and the key's object or id")
    return TokenPlace(_text(values["token"]), _text(values.get("object")), values.get("id"))


def parse_hsm_uri(uri: str) -> TokenPlace:
    """Read ``hsm:<key id>?label=<token>`` as securesystemslib does; without an id it is 2.

    Raises:
        TokenError: another scheme, an id that is no number, or another query than a label. The
            message repeats no value, for one could be a PIN.
    """
    scheme, location = split_uri(uri)
    number, _, query = location.partition("?")
    if scheme != "hsm":
        raise _invalid("a statement key in a token is named hsm:<key id>?label=<token>")
    if re.fullmatch(r"[0-9]{0,18}", number) is None:
        raise _invalid("the key id of an hsm: URI is a decimal number")
    pairs = parse_qsl(query, keep_blank_values=True)
    if [name for name, _ in pairs] not in ([], ["label"]) or bool(query) != bool(pairs):
        raise _invalid(f"an hsm: URI has no other query than label; {_NOT_HERE}")
    key_id = int(number or "2")
    return TokenPlace(
        dict(pairs).get("label"), None, key_id.to_bytes(max(1, (key_id.bit_length() + 7) // 8))
    )


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid("the names in a pkcs11: URI are UTF-8") from None


def _invalid(message: str) -> TokenError:
    return TokenError(message, code="token.uri")
