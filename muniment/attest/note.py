"""Signed notes: text under the signatures of one or more named keys.

Sources: https://c2sp.org/signed-note (Ed25519, type 0x01) and https://c2sp.org/tlog-cosignature
(timestamped Ed25519, type 0x04, by which a witness says when it saw a checkpoint).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from muniment.attest.encoding import decode_base64, encode_base64
from muniment.attest.errors import NoteError
from muniment.attest.limits import MAX_NOTE_BYTES

ED25519_TYPE: Final = b"\x01"
COSIGNATURE_TYPE: Final = b"\x04"
_TYPE_NAMES: Final = {ED25519_TYPE: "Ed25519 (0x01)", COSIGNATURE_TYPE: "cosignature (0x04)"}
MAX_SIGNATURES: Final = 64
MAX_TIMESTAMP: Final = 2**63 - 1
_SIGNATURE_PREFIX = "— "


class Ed25519Key(Protocol):
    """A private key that signs, wherever it is kept: ``sign`` gives the 64 bytes of RFC 8032."""

    def sign(self, data: bytes, /) -> bytes: ...
    def public_key(self) -> Ed25519PublicKey: ...


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A key that notes are verified with, read from a ``vkey``.

    Law: ``parse_vkey(verifier.vkey) == verifier``.

    Attributes:
        name: the signer's name, as it stands in signature lines.
        public_key: 32 bytes of RFC 8032.
        kind: ``ED25519_TYPE`` for a log, ``COSIGNATURE_TYPE`` for a witness.
    """

    name: str
    public_key: bytes
    kind: bytes = ED25519_TYPE

    def __post_init__(self) -> None:
        require_name(self.name)
        if self.kind not in _TYPE_NAMES:
            raise NoteError(
                f"the verifier key is of none of the types {', '.join(_TYPE_NAMES.values())}",
                code="note.vkey",
            )
        if len(self.public_key) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes", code="note.vkey")

    @property
    def key_hash(self) -> bytes:
        """Four bytes that stand before this key's signatures."""
        named = self.name.encode() + b"\n" + self.kind + self.public_key
        return hashlib.sha256(named).digest()[:4]

    @property
    def vkey(self) -> str:
        """The textual form, ``name+hash+base64``, to be handed out beside the log."""
        encoded = encode_base64(self.kind + self.public_key)
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    def verify(self, text: str, signature: bytes) -> int | None:
        """Accept only this key's signature over ``text``.

        Returns:
            Of a cosignature the time it was made, in seconds since 1970 as its signer said;
            None of any other.

        Raises:
            NoteError: the signature does not verify.
        """
        timestamp = None
        message = text.encode()
        if self.kind == COSIGNATURE_TYPE:
            timestamp = int.from_bytes(signature[:8])
            signature = signature[8:]
            message = _cosigned(text, timestamp)
        try:
            if timestamp is not None and timestamp > MAX_TIMESTAMP:
                raise ValueError("a time out of range")
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NoteError(
                f"the signature of {self.name} does not verify", code="note.signature"
            ) from error
        return timestamp


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A named Ed25519 key that signs notes.

    Attributes:
        cosigns_at: None for a log. For a witness the time of its signatures, in seconds since
            1970: they become cosignatures.
    """

    name: str
    private_key: Ed25519Key = field(repr=False)
    cosigns_at: int | None = None

    def __post_init__(self) -> None:
        require_name(self.name)
        if self.cosigns_at is not None and not 0 <= self.cosigns_at <= MAX_TIMESTAMP:
            raise NoteError("a cosignature's time is out of range", code="note.time")

    @classmethod
    def from_file(cls, name: str, path: str | Path) -> NoteSigner:
        """Load an unencrypted PEM PKCS#8 Ed25519 key.

        Raises:
            NoteError: a bad name, a file that cannot be read, or another kind of key.
        """
        try:
            loaded = load_pem_private_key(Path(path).read_bytes(), password=None)
        except OSError as error:
            raise NoteError(
                f"cannot read the log key file {path}: {error.strerror}", code="note.key_file"
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise NoteError(
                f"{path} is not an unencrypted PEM private key", code="note.key_file"
            ) from error
        if not isinstance(loaded, Ed25519PrivateKey):
            raise NoteError(f"{path} is not an Ed25519 key", code="note.key_file")
        return cls(name, loaded)

    @property
    def verifier(self) -> NoteVerifier:
        """The key that verifies what this one signs."""
        kind = ED25519_TYPE if self.cosigns_at is None else COSIGNATURE_TYPE
        return NoteVerifier(self.name, self.private_key.public_key().public_bytes_raw(), kind)

    @property
    def vkey(self) -> str:
        """The verifier's textual form."""
        return self.verifier.vkey

    def signature_line(self, text: str) -> str:
        """Sign ``text`` and return the line, newline included, that stands below the note."""
        if self.cosigns_at is None:
            signature = self.private_key.sign(text.encode())
        else:
            signature = self.cosigns_at.to_bytes(8) + self.private_key.sign(
                _cosigned(text, self.cosigns_at)
            )
        return NoteSignature(self.name, self.verifier.key_hash, signature).line


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, not verified yet."""

    name: str
    key_hash: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as it stands in the note, newline included."""
        return f"{_SIGNATURE_PREFIX}{self.name} {encode_base64(self.key_hash + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class ParsedNote:
    """A note taken apart. Its text counts only once a known signature is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class KnownSignature:
    """A signature that was verified.

    Attributes:
        timestamp: of a cosignature, seconds since 1970 as its signer said; None of any other.
    """

    verifier: NoteVerifier
    timestamp: int | None
    line: str


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note that at least one known key signed; ``signatures`` are those of known keys only."""

    text: str
    signatures: tuple[KnownSignature, ...]


def parse_vkey(vkey: str) -> NoteVerifier:
    """Read a verifier key, ``<name>+<8 hex digits>+<base64(type ‖ public key)>``.

    The type is 0x01 of a log's key, 0x04 of a witness's.

    Raises:
        NoteError: any part malformed, a hash that is not this key's, or another key type.
    """
    # Base64 may hold a plus, a name may not.
    name, first, rest = vkey.partition("+")
    key_hash, second, encoded = rest.partition("+")
    if not (first and second):
        raise NoteError("a verifier key is <name>+<hash>+<key>", code="note.vkey")
    content = decode_base64(encoded, error=NoteError, what="the verifier key")
    verifier = NoteVerifier(name, content[1:], content[:1])
    if verifier.key_hash.hex() != key_hash:
        raise NoteError("the verifier key's hash is not that of its key", code="note.vkey")
    return verifier


def sign_note(text: str, signers: Sequence[NoteSigner]) -> bytes:
    """Return the note over ``text`` with one signature a signer, in their order.

    Raises:
        NoteError: no signer, two with one name and key, or text that is not a note's (it ends
            in a newline and holds no other control character).
    """
    _require_text(text)
    if not signers:
        raise NoteError("a note needs a signer", code="note.unsigned")
    if len({signer.vkey for signer in signers}) != len(signers):
        raise NoteError("one signer was given twice")
    lines = "".join(signer.signature_line(text) for signer in signers)
    return f"{text}\n{lines}".encode()


def parse_note(note: bytes) -> ParsedNote:
    """Take a note apart without verifying it.

    Raises:
        NoteError: too large, not UTF-8, control characters, no signature block, a malformed
            signature line, or more than 64 of them.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise NoteError(f"a note has at most {MAX_NOTE_BYTES} bytes")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("a note is UTF-8") from error
    head, separator, block = whole.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise NoteError("a note is text, an empty line and signature lines", code="note.unsigned")
    text = head + "\n"
    _require_text(text)
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    return ParsedNote(text, tuple(_parse_signature_line(line) for line in lines))


def open_note(note: bytes, verifiers: Sequence[NoteVerifier]) -> OpenedNote:
    """Return a note's text and who signed it, if at least one of ``verifiers`` did.

    Signatures of unknown signers are ignored (a shared name or a shared hash alone is not the
    same signer); one of a known signer that does not verify refuses the note.

    Raises:
        NoteError: as ``parse_note``, no signature by a known signer, or a bad one.
    """
    parsed = parse_note(note)
    known = {(verifier.name, verifier.key_hash): verifier for verifier in verifiers}
    verified = []
    for signature in parsed.signatures:
        verifier = known.get((signature.name, signature.key_hash))
        if verifier is not None:
            timestamp = verifier.verify(parsed.text, signature.signature)
            verified.append(KnownSignature(verifier, timestamp, signature.line))
    if not verified:
        names = ", ".join(signature.name for signature in parsed.signatures)
        raise NoteError(
            f"no known key signed this note; signers named: {names[:200]}", code="note.unknown_key"
        )
    return OpenedNote(parsed.text, tuple(verified))


def add_signatures(note: bytes, lines: Sequence[str]) -> bytes:
    """Return the note with more signature lines below it; one that stands there already is not
    repeated.

    Raises:
        NoteError: as ``parse_note``, of the note or of what it becomes.
    """
    present = {signature.line for signature in parse_note(note).signatures}
    added = [line for line in dict.fromkeys(lines) if line not in present]
    whole = note + "".join(added).encode()
    parse_note(whole)
    return whole


def _parse_signature_line(line: str) -> NoteSignature:
    prefix, name, encoded = line[:2], *_halves(line[2:])
    if prefix != _SIGNATURE_PREFIX:
        raise NoteError("a signature line starts with an em dash and a space")
    require_name(name)
    content = decode_base64(encoded, error=NoteError, what="a note's signature")
    if len(content) < 5:
        raise NoteError("a note's signature is too short")
    return NoteSignature(name, content[:4], content[4:])


def _halves(text: str) -> tuple[str, str]:
    name, _, encoded = text.partition(" ")
    return name, encoded


def require_name(name: str) -> None:
    """Accept only what may name a signer, a log included.

    Raises:
        NoteError: empty, or with white space, a control character or a plus.
    """
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name):
        raise NoteError(
            f"{name[:80]!r} is not a signer's name: no spaces, no plus, not empty",
            code="note.name",
        )


def _require_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text):
        raise NoteError("a note's text ends in a newline and has no other control character")


def _cosigned(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
