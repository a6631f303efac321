"""The tree against published vectors and against the definition, written down naively."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest.errors import ProofError
from muniment.attest.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "merkle_rfc6962.json").read_text("utf-8")
)
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
MANY = [leaf_hash(str(number).encode()) for number in range(70)]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    left, right = naive_root(leaves[:k]), naive_root(leaves[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], is_whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if is_whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], is_whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def naive_split(n: int) -> int:
    return max(1 << power for power in range(n.bit_length()) if 1 << power < n)


@pytest.mark.parametrize("size", range(9))
def test_root_is_the_published_one(size: int) -> None:
    assert root_hash(LEAVES[:size]) == ROOTS[size]


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=str)
def test_inclusion_proof_is_the_published_one(case: dict[str, Any]) -> None:
    index, size = case["leaf_index"], case["tree_size"]
    proof = [bytes.fromhex(value) for value in case["proof"]]
    assert inclusion_proof(LEAVES[:size], index) == proof
    verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=str)
def test_consistency_proof_is_the_published_one(case: dict[str, Any]) -> None:
    old, new = case["old_size"], case["new_size"]
    proof = [bytes.fromhex(value) for value in case["proof"]]
    assert consistency_proof(LEAVES[:new], old) == proof
    verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


def test_every_size_and_index_follows_the_definition() -> None:
    roots = [naive_root(MANY[:size]) for size in range(len(MANY) + 1)]
    for size in range(1, len(MANY) + 1):
        leaves = MANY[:size]
        assert root_hash(leaves) == roots[size]
        for index in range(size):
            proof = inclusion_proof(leaves, index)
            assert proof == naive_path(index, leaves)
            verify_inclusion(leaves[index], index, size, proof, roots[size])
        for old in range(1, size + 1):
            proof = consistency_proof(leaves, old)
            assert proof == naive_subproof(old, leaves, True)
            verify_consistency(old, size, roots[old], roots[size], proof)


def test_an_empty_tree_is_a_prefix_of_every_tree() -> None:
    assert consistency_proof(MANY, 0) == []
    verify_consistency(0, len(MANY), EMPTY_ROOT, root_hash(MANY), [])
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(ProofError):
        verify_consistency(0, len(MANY), b"\x00" * 32, root_hash(MANY), [])
    with pytest.raises(ProofError):
        verify_consistency(0, len(MANY), EMPTY_ROOT, root_hash(MANY), [MANY[0]])


sizes = st.integers(min_value=1, max_value=len(MANY))


@given(data=st.data(), size=sizes)
def test_a_damaged_inclusion_proof_is_refused(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(MANY[:size], index), root_hash(MANY[:size])
    with pytest.raises(ProofError):
        verify_inclusion(MANY[index], index, size, data.draw(damaged(proof)), root)


@given(data=st.data(), size=sizes)
def test_a_damaged_consistency_proof_is_refused(data: st.DataObject, size: int) -> None:
    old = data.draw(st.integers(1, size))
    proof = consistency_proof(MANY[:size], old)
    with pytest.raises(ProofError):
        verify_consistency(
            old, size, root_hash(MANY[:old]), root_hash(MANY[:size]), data.draw(damaged(proof))
        )


@given(data=st.data(), size=sizes)
def test_an_inclusion_proof_is_of_one_leaf_at_one_index_only(
    data: st.DataObject, size: int
) -> None:
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-1, size + 1))
    proof, root = inclusion_proof(MANY[:size], index), root_hash(MANY[:size])
    if other != index:
        with pytest.raises(ProofError):
            verify_inclusion(MANY[index], other, size, proof, root)
    wrong_leaf = leaf_hash(b"another")
    with pytest.raises(ProofError):
        verify_inclusion(wrong_leaf, index, size, proof, root)


@given(data=st.data(), size=st.integers(min_value=2, max_value=len(MANY)))
def test_a_consistency_proof_is_of_two_sizes_and_roots_only(data: st.DataObject, size: int) -> None:
    old = data.draw(st.integers(1, size - 1))
    proof = consistency_proof(MANY[:size], old)
    old_root, new_root = root_hash(MANY[:old]), root_hash(MANY[:size])
    with pytest.raises(ProofError):
        verify_consistency(old, size, new_root, old_root, proof)
    with pytest.raises(ProofError):
        verify_consistency(size, old, old_root, new_root, proof)
    forged = root_hash([leaf_hash(b"forged"), *MANY[1:old]])
    with pytest.raises(ProofError):
        verify_consistency(old, size, forged, new_root, proof)


@pytest.mark.parametrize("index", [-1, 4, 5, 100])
def test_an_index_outside_the_tree_is_refused(index: int) -> None:
    leaves = MANY[:4]
    with pytest.raises(ProofError) as caught:
        inclusion_proof(leaves, index)
    assert caught.value.code == "proof.out_of_range"
    with pytest.raises(ProofError) as caught:
        verify_inclusion(leaves[0], index, 4, inclusion_proof(leaves, 1), root_hash(leaves))
    assert caught.value.code == "proof.out_of_range"


def test_an_old_size_outside_the_tree_is_refused() -> None:
    for old in (-1, 5):
        with pytest.raises(ProofError):
            consistency_proof(MANY[:4], old)


def test_an_inner_node_is_no_leaf() -> None:
    """The prefixes keep a node's children from being shown as an entry."""
    left, right = MANY[:2]
    assert leaf_hash(left + right) != node_hash(left, right)


def damaged(proof: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Every kind of proof that is not this one: flipped, cut, longer, wrong lengths."""
    longer = st.tuples(st.integers(0, len(proof)), st.binary(min_size=32, max_size=32)).map(
        lambda at: [*proof[: at[0]], at[1], *proof[at[0] :]]
    )
    if not proof:
        return longer
    positions = st.integers(0, len(proof) - 1)
    flipped = st.tuples(positions, st.integers(0, 255)).map(
        lambda at: [*proof[: at[0]], flip(proof[at[0]], at[1]), *proof[at[0] + 1 :]]
    )
    cut = positions.map(lambda at: [*proof[:at], *proof[at + 1 :]])
    short_hash = positions.map(lambda at: [*proof[:at], proof[at][:-1], *proof[at + 1 :]])
    return st.one_of(longer, flipped, cut, short_hash)


def flip(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
