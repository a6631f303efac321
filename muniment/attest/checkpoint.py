"""The log's checkpoints: signed tree heads.

Source: https://c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from muniment.attest.encoding import decode_base64, encode_base64
from muniment.attest.errors import NoteError
from muniment.attest.merkle import HASH_BYTES
from muniment.attest.note import (
    ED25519_TYPE,
    NoteSigner,
    NoteVerifier,
    OpenedNote,
    open_note,
    parse_vkey,
    require_name,
    sign_note,
)

MAX_TREE_SIZE: Final = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


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
        require_name(self.origin)
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


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner, *others: NoteSigner) -> bytes:
    """Return the signed note of ``checkpoint``: the log's own signature, then ``others``.

    Raises:
        NoteError: the signer's name is not the checkpoint's origin.
    """
    if signer.name != checkpoint.origin:
        raise NoteError(
            f"{signer.name} cannot sign for the log {checkpoint.origin}", code="note.origin"
        )
    return sign_note(checkpoint.text, [signer, *others])


def verify_checkpoint(note: bytes, vkeys: str | Sequence[str]) -> Checkpoint:
    """Return the checkpoint if a log key signed it.

    Args:
        vkeys: the log's verifier key, or all that the log has or had, of which one is enough.

    Raises:
        NoteError: a malformed key, note or checkpoint, a key that is not a log's, no or a bad
            signature by those keys, or an origin other than the name of the key that signed.
    """
    return open_checkpoint(note, [vkeys] if isinstance(vkeys, str) else vkeys)[0]


def open_checkpoint(
    note: bytes, vkeys: Sequence[str], witnesses: Sequence[NoteVerifier] = ()
) -> tuple[Checkpoint, OpenedNote]:
    """Return the checkpoint as ``verify_checkpoint``, and every known signature on it.

    Raises:
        NoteError: as ``verify_checkpoint``; a cosignature of one of ``witnesses`` that does not
            verify refuses the note too.
    """
    logs = [parse_vkey(vkey) for vkey in vkeys]
    if any(verifier.kind != ED25519_TYPE for verifier in logs):
        raise NoteError("a log's verifier key is of type Ed25519 (0x01)", code="note.vkey")
    opened = open_note(note, [*logs, *witnesses])
    signed_by = [item.verifier for item in opened.signatures if item.verifier in logs]
    if not signed_by:
        raise NoteError(
            "witnesses signed this checkpoint, the log did not", code="note.unknown_key"
        )
    checkpoint = Checkpoint.from_text(opened.text)
    for verifier in signed_by:
        if checkpoint.origin != verifier.name:
            raise NoteError(
                f"the checkpoint is of the log {checkpoint.origin}, the key of {verifier.name}",
                code="note.origin",
            )
    return checkpoint, opened
