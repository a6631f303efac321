"""The log's Merkle tree: hashes, proofs, and verifiers that refuse all but a valid proof.

Sources: RFC 6962 section 2.1 and RFC 9162 section 2.1, with SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from muniment.attest.errors import ProofError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

SubtreeHash = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf that holds ``entry``: SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root of the tree over ``leaf_hashes``; for none, SHA-256 of no bytes."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        level = parents(level)
    return level[0]


def inclusion_proof(leaf_hashes: Sequence[bytes], leaf_index: int) -> list[bytes]:
    """Return the audit path of one leaf, from its sibling up to the root's child.

    Args:
        leaf_hashes: of the whole tree, in order.
        leaf_index: from 0, less than the number of leaves.

    Raises:
        ProofError: the index is out of range.
    """
    return inclusion_path(
        leaf_index, len(leaf_hashes), lambda start, end: root_hash(leaf_hashes[start:end])
    )


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree of the first ``old_size`` leaves is a prefix of this one.

    Empty for ``old_size`` 0 and for the present size, where there is nothing to show.

    Raises:
        ProofError: ``old_size`` is negative or more than the number of leaves.
    """
    return consistency_path(
        old_size, len(leaf_hashes), lambda start, end: root_hash(leaf_hashes[start:end])
    )


def inclusion_path(leaf_index: int, tree_size: int, hash_of: SubtreeHash) -> list[bytes]:
    """Return the audit path of a leaf, from hashes of subtrees wherever they come from.

    Args:
        hash_of: gives the root over the leaves from its first argument to before its second.

    Raises:
        ProofError: the index is out of range.
    """
    _require_range(leaf_index, tree_size)
    proof: list[bytes] = []
    start, end = 0, tree_size
    while end - start > 1:
        middle = start + split_point(end - start)
        if leaf_index < middle:
            proof.append(hash_of(middle, end))
            end = middle
        else:
            proof.append(hash_of(start, middle))
            start = middle
    proof.reverse()
    return proof


def consistency_path(old_size: int, tree_size: int, hash_of: SubtreeHash) -> list[bytes]:
    """Return a consistency proof, from hashes of subtrees wherever they come from.

    Source: SUBPROOF of RFC 9162 section 2.1.4.1, walked down.

    Args:
        hash_of: as for ``inclusion_path``.

    Raises:
        ProofError: ``old_size`` is negative or more than ``tree_size``.
    """
    if not 0 <= old_size <= tree_size:
        raise ProofError(
            f"old size {old_size} is not between 0 and {tree_size}", code="proof.out_of_range"
        )
    if old_size in (0, tree_size):
        return []
    proof: list[bytes] = []
    start, end, old_end, is_old_root = 0, tree_size, old_size, True
    while old_end != end:
        middle = start + split_point(end - start)
        if old_end <= middle:
            proof.append(hash_of(middle, end))
            end = middle
        else:
            proof.append(hash_of(start, middle))
            start, is_old_root = middle, False
    if not is_old_root:
        proof.append(hash_of(start, end))
    proof.reverse()
    return proof


def verify_inclusion(
    leaf_hash: bytes, leaf_index: int, tree_size: int, proof: Sequence[bytes], root_hash: bytes
) -> None:
    """Accept ``proof`` only if it shows the leaf at that index of that tree.

    Source: RFC 9162 section 2.1.3.2.

    Raises:
        ProofError: index out of range, a proof too short or too long, a hash that is not 32
            bytes, or another root.
    """
    _require_range(leaf_index, tree_size)
    _require_hashes([leaf_hash, root_hash, *proof])
    position, last, computed = leaf_index, tree_size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long", code="proof.too_long")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            # Levels where the rightmost node had no sibling contribute no hash.
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the inclusion proof is too short", code="proof.too_short")
    if computed != root_hash:
        raise ProofError(
            f"the inclusion proof of leaf {leaf_index} leads to another root than the tree's",
            code="proof.root_mismatch",
        )


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Accept ``proof`` only if it shows that the new tree begins with the old one.

    An empty old tree is a prefix of every tree; its root must be the empty root.
    Source: RFC 9162 section 2.1.4.2.

    Raises:
        ProofError: sizes out of order, a proof too short or too long, a hash that is not 32
            bytes, or either root is not the one the proof leads to.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError(
            f"tree sizes {old_size} and {new_size} are not in order", code="proof.out_of_range"
        )
    _require_hashes([old_root, new_root, *proof])
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofError("an empty tree has another root", code="proof.root_mismatch")
    if old_size in (0, new_size):
        if proof:
            raise ProofError("the consistency proof is too long", code="proof.too_long")
        if old_size == new_size and old_root != new_root:
            raise ProofError("one tree size has two roots", code="proof.root_mismatch")
        return
    if not proof:
        raise ProofError("the consistency proof is too short", code="proof.too_short")
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        # The old tree is a complete subtree: its root is the first hash, left out of the proof.
        hashes.insert(0, old_root)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_computed = new_computed = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long", code="proof.too_long")
        if position & 1 or position == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_computed = node_hash(new_computed, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the consistency proof is too short", code="proof.too_short")
    if old_computed != old_root:
        raise ProofError(
            "the consistency proof leads to another old root", code="proof.root_mismatch"
        )
    if new_computed != new_root:
        raise ProofError(
            "the consistency proof leads to another new root", code="proof.root_mismatch"
        )


def parents(level: Sequence[bytes]) -> list[bytes]:
    """Return the next level up; the odd node at the end moves up unhashed."""
    sha256 = hashlib.sha256
    above = [
        sha256(b"\x01" + left + right).digest()
        for left, right in zip(level[::2], level[1::2], strict=False)
    ]
    if len(level) & 1:
        above.append(level[-1])
    return above


def split_point(size: int) -> int:
    """Return the largest power of two that is less than ``size`` (at least 2)."""
    return 1 << (size - 1).bit_length() - 1


def _require_range(leaf_index: int, tree_size: int) -> None:
    if not 0 <= leaf_index < tree_size:
        raise ProofError(
            f"leaf {leaf_index} is not in a tree of {tree_size}", code="proof.out_of_range"
        )


def _require_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise ProofError(
                f"a hash has {HASH_BYTES} bytes, this one {len(value)}", code="proof.hash_length"
            )
