"""Inclusion proofs as they travel: ``c2sp.org/tlog-proof@v1``.

Source: https://c2sp.org/tlog-proof.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from muniment.attest.checkpoint import Checkpoint, verify_checkpoint
from muniment.attest.encoding import decode_base64, encode_base64
from muniment.attest.errors import ProofError
from muniment.attest.limits import MAX_NOTE_BYTES
from muniment.attest.merkle import HASH_BYTES, leaf_hash, verify_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"
# A tree of 2^63 leaves has paths of 63 hashes.
MAX_HASHES: Final = 63
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That an entry stands in the log, as claimed: nothing is verified by parsing.

    Law: ``TlogProof.parse(proof.to_text()) == proof``.

    Attributes:
        leaf_index: from 0.
        hashes: from the leaf's sibling up to the root's child, 32 bytes each.
        checkpoint: the signed note, its exact bytes.
        extra: opaque and not authenticated; None where the line is absent.
    """

    leaf_index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def to_text(self) -> str:
        """Write the proof.

        Raises:
            ProofError: a checkpoint that is not UTF-8.
        """
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines.append(f"index {self.leaf_index}")
        lines.extend(encode_base64(value) for value in self.hashes)
        try:
            return "\n".join(lines) + "\n\n" + self.checkpoint.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProofError("the checkpoint is not UTF-8", code="proof.malformed") from error

    @classmethod
    def parse(cls, text: str | bytes) -> TlogProof:
        """Read a proof.

        Raises:
            ProofError: too large, not UTF-8, another header, an index with leading zeros or out
                of range, a hash that is not base64 of 32 bytes, more than 63 hashes, or no
                checkpoint.
        """
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if len(content) > 2 * MAX_NOTE_BYTES:
            raise _malformed("the proof is too large")
        try:
            whole = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed("the proof is not UTF-8") from error
        head, separator, checkpoint = whole.partition("\n\n")
        if not separator or not checkpoint:
            raise _malformed("the proof holds no checkpoint")
        lines = head.split("\n")
        if lines.pop(0) != HEADER:
            raise _malformed(f"the proof does not start with {HEADER}")
        extra: bytes | None = None
        if lines and lines[0].startswith("extra "):
            encoded = lines.pop(0).removeprefix("extra ")
            extra = decode_base64(encoded, error=ProofError, what="the proof's extra data")
        index = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if index is None:
            raise _malformed("the proof names no leaf index")
        if len(lines) > MAX_HASHES:
            raise _malformed(f"the proof has more than {MAX_HASHES} hashes")
        hashes = tuple(
            decode_base64(line, error=ProofError, what="a hash of the proof") for line in lines
        )
        if any(len(value) != HASH_BYTES for value in hashes):
            raise ProofError(f"a hash has {HASH_BYTES} bytes", code="proof.hash_length")
        return cls(int(index[1]), hashes, checkpoint.encode(), extra)

    def verify(self, entry: bytes, vkey: str) -> Checkpoint:
        """Return the checkpoint under which ``entry`` stands in the log that ``vkey`` names.

        Args:
            entry: the leaf's exact bytes.

        Raises:
            NoteError: the checkpoint is not signed by that log.
            ProofError: the proof does not lead from the entry to the checkpoint's root.
        """
        checkpoint = verify_checkpoint(self.checkpoint, vkey)
        verify_inclusion(
            leaf_hash(entry),
            self.leaf_index,
            checkpoint.tree_size,
            self.hashes,
            checkpoint.root_hash,
        )
        return checkpoint


def format_proof(
    leaf_index: int, hashes: Sequence[bytes], checkpoint: bytes, extra: bytes | None = None
) -> bytes:
    """Write a proof: ``TlogProof(...).to_text()`` as bytes.

    Raises:
        ProofError: as ``TlogProof.to_text``.
    """
    return TlogProof(leaf_index, tuple(hashes), checkpoint, extra).to_text().encode()


def _malformed(message: str) -> ProofError:
    return ProofError(message, code="proof.malformed")
