"""Signed notes and the log's checkpoints.

Sources: https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint; Ed25519, type 0x01.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from muniment.attest.encoding import decode_base64, encode_base64
from muniment.attest.errors import NoteError
from muniment.attest.merkle import HASH_BYTES

ED25519_TYPE: Final = b"\x01"
MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 64
MAX_TREE_SIZE: Final = 2**63 - 1
_SIGNATURE_PREFIX = "— "
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A key that notes are verified with, read from a ``vkey``.

    Law: ``parse_vkey(verifier.vkey) == verifier``.

    Attributes:
        name: the signer's name, as it stands in signature lines.
        public_key: 32 bytes of RFC 8032.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        _require_name(self.name)
        if len(self.public_key) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes", code="note.vkey")

    @property
    def key_hash(self) -> bytes:
        """Four bytes that stand before this key's signatures."""
        named = self.name.encode() + b"\n" + ED25519_TYPE + self.public_key
        return hashlib.sha256(named).digest()[:4]

    @property
    def vkey(self) -> str:
        """The textual form, ``name+hash+base64``, to be handed out beside the log."""
        encoded = encode_base64(ED25519_TYPE + self.public_key)
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A named Ed25519 key that signs notes."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        _require_name(self.name)

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
        return NoteVerifier(self.name, self.private_key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The verifier's textual form."""
        return self.verifier.vkey


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, not verified yet."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ParsedNote:
    """A note taken apart. Its text counts only once a known signature is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log's head at one size.

    Attributes:
        origin: the log's name; the log signs under this same name.
        tree_size: number of leaves, 0 to 2^63-1.
        root_hash: 32 bytes.
    """

    origin: str
    tree_size: int
    root_hash: bytes

    def __post_init__(self) -> None:
        _require_name(self.origin)
        if not 0 <= self.tree_size <= MAX_TREE_SIZE:
            raise NoteError(f"tree size {self.tree_size} is out of range", code="note.checkpoint")
        if len(self.root_hash) != HASH_BYTES:
            raise NoteError(f"a root hash has {HASH_BYTES} bytes", code="note.checkpoint")

    @property
    def text(self) -> str:
        """The note text that is signed."""
        return f"{self.origin}\n{self.tree_size}\n{encode_base64(self.root_hash)}\n"

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read a checkpoint's note text; extension lines are allowed and ignored.

        Raises:
            NoteError: fewer than three lines, an empty line, a size with leading zeros or out
                of range, or a root hash that is not base64 of 32 bytes.
        """
        lines = text.split("\n")
        if lines.pop() != "" or len(lines) < 3 or "" in lines:
            raise NoteError("a checkpoint has three lines or more, none empty")
        origin, size, encoded_root = lines[:3]
        if _DECIMAL.fullmatch(size) is None:
            raise NoteError(f"{size[:40]!r} is not a tree size", code="note.checkpoint")
        root = decode_base64(encoded_root, error=NoteError, what="the root hash")
        return cls(origin, int(size), root)


def make_vkey(name: str, public_key: Ed25519PublicKey) -> str:
    """Return the verifier key of ``public_key`` under ``name``.

    Raises:
        NoteError: a name with a space or a plus, or an empty one.
    """
    return NoteVerifier(name, public_key.public_bytes_raw()).vkey


def parse_vkey(vkey: str) -> NoteVerifier:
    """Read a verifier key, ``<name>+<8 hex digits>+<base64(0x01 ‖ public key)>``.

    Raises:
        NoteError: any part malformed, a hash that is not this key's, or another key type.
    """
    # Base64 may hold a plus, a name may not.
    name, first, rest = vkey.partition("+")
    key_hash, second, encoded = rest.partition("+")
    if not (first and second):
        raise NoteError("a verifier key is <name>+<hash>+<key>", code="note.vkey")
    content = decode_base64(encoded, error=NoteError, what="the verifier key")
    if content[:1] != ED25519_TYPE:
        raise NoteError("the verifier key is not of type Ed25519 (0x01)", code="note.vkey")
    verifier = NoteVerifier(name, content[1:])
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
    lines = "".join(
        f"{_SIGNATURE_PREFIX}{signer.name} "
        f"{encode_base64(signer.verifier.key_hash + signer.private_key.sign(text.encode()))}\n"
        for signer in signers
    )
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


def open_note(note: bytes, verifiers: Sequence[NoteVerifier]) -> str:
    """Return a note's text if at least one of ``verifiers`` signed it.

    Signatures of unknown signers are ignored (a shared name or a shared hash alone is not the
    same signer); one of a known signer that does not verify refuses the note.

    Raises:
        NoteError: as ``parse_note``, no signature by a known signer, or a bad one.
    """
    parsed = parse_note(note)
    known = {(verifier.name, verifier.key_hash): verifier for verifier in verifiers}
    message = parsed.text.encode()
    is_signed = False
    for signature in parsed.signatures:
        verifier = known.get((signature.name, signature.key_hash))
        if verifier is None:
            continue
        try:
            public_key = Ed25519PublicKey.from_public_bytes(verifier.public_key)
            public_key.verify(signature.signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NoteError(
                f"the signature of {verifier.name} does not verify", code="note.signature"
            ) from error
        is_signed = True
    if not is_signed:
        names = ", ".join(signature.name for signature in parsed.signatures)
        raise NoteError(
            f"no known key signed this note; signers named: {names[:200]}", code="note.unknown_key"
        )
    return parsed.text


def sign_checkpoint(
    checkpoint: Checkpoint, signer: NoteSigner | Ed25519PrivateKey, *others: NoteSigner
) -> bytes:
    """Return the signed note of ``checkpoint``: the log's own signature, then ``others``.

    Args:
        signer: the log's key; a bare one signs under the checkpoint's origin.

    Raises:
        NoteError: the signer's name is not the checkpoint's origin.
    """
    if isinstance(signer, Ed25519PrivateKey):
        signer = NoteSigner(checkpoint.origin, signer)
    if signer.name != checkpoint.origin:
        raise NoteError(
            f"{signer.name} cannot sign for the log {checkpoint.origin}", code="note.origin"
        )
    return sign_note(checkpoint.text, [signer, *others])


def verify_checkpoint(note: bytes, vkey: str) -> Checkpoint:
    """Return the checkpoint if the log that ``vkey`` names signed it.

    Raises:
        NoteError: a malformed key, note or checkpoint, no or a bad signature by that key, or
            an origin other than the key's name.
    """
    verifier = parse_vkey(vkey)
    checkpoint = Checkpoint.from_text(open_note(note, [verifier]))
    if checkpoint.origin != verifier.name:
        raise NoteError(
            f"the checkpoint is of the log {checkpoint.origin}, the key of {verifier.name}",
            code="note.origin",
        )
    return checkpoint


def _parse_signature_line(line: str) -> NoteSignature:
    prefix, name, encoded = line[:2], *_halves(line[2:])
    if prefix != _SIGNATURE_PREFIX:
        raise NoteError("a signature line starts with an em dash and a space")
    _require_name(name)
    content = decode_base64(encoded, error=NoteError, what="a note's signature")
    if len(content) < 5:
        raise NoteError("a note's signature is too short")
    return NoteSignature(name, content[:4], content[4:])


def _halves(text: str) -> tuple[str, str]:
    name, _, encoded = text.partition(" ")
    return name, encoded


def _require_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name):
        raise NoteError(
            f"{name[:80]!r} is not a signer's name: no spaces, no plus, not empty",
            code="note.name",
        )


def _require_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text):
        raise NoteError("a note's text ends in a newline and has no other control character")
