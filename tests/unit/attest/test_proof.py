"""Proofs as they travel."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.errors import AttestError, NoteError, ProofError
from muniment.attest.merkle import inclusion_proof, leaf_hash, root_hash
from muniment.attest.note import NoteSigner
from muniment.attest.proof import TlogProof, format_proof

LOG = NoteSigner("muniment.test/log", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
ENTRIES = [f"entry {number}".encode() for number in range(11)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]
NOTE = sign_checkpoint(Checkpoint(LOG.name, len(HASHES), root_hash(HASHES)), LOG)


def proof_of(index: int, extra: bytes | None = None) -> bytes:
    return format_proof(index, inclusion_proof(HASHES, index), NOTE, extra)


def test_a_proof_is_written_as_specified() -> None:
    lines = proof_of(10, b"hint").decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra aGludA==", "index 10"]
    assert lines[5:9] == ["", "muniment.test/log", "11", NOTE.decode().split("\n")[2]]


@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_every_entry_is_proven(index: int) -> None:
    checkpoint = TlogProof.parse(proof_of(index)).verify(ENTRIES[index], LOG.vkey)
    assert checkpoint.tree_size == len(ENTRIES)


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(max_size=80),
)
def test_a_proof_is_read_back(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index, tuple(hashes), NOTE, extra)
    assert TlogProof.parse(proof.to_text()) == proof
    assert TlogProof.parse(proof.to_text().encode()) == proof


def test_a_proof_is_of_one_entry_only() -> None:
    for index, entry in enumerate(ENTRIES):
        if index != 4:
            with pytest.raises(ProofError):
                TlogProof.parse(proof_of(4)).verify(entry, LOG.vkey)


def test_a_proof_under_another_log_is_refused() -> None:
    other = NoteSigner(LOG.name, Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
    with pytest.raises(NoteError):
        TlogProof.parse(proof_of(0)).verify(ENTRIES[0], other.vkey)


@given(st.data())
def test_no_byte_of_a_proof_can_change(data: st.DataObject) -> None:
    proof = proof_of(10)
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = bytearray(proof)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(AttestError):
        TlogProof.parse(bytes(changed)).verify(ENTRIES[10], LOG.vkey)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"index 10", b"index 010"),
        (b"index 10", b"index -1"),
        (b"index 10", b"index 1 0"),
        (b"index 10\n", b""),
        (b"index 10\n", b"extra !!\nindex 10\n"),
        (b"index 10\n", b"index 10\nindex 10\n"),
        (b"index 10\n", b"index 10\nAAAA\n"),
        (b"index 10\n", b"index 10\n" + b"A" * 43 + b"=\n"),
        (b"\n\n", b"\n"),
        (b"c2sp", b"\xff"),
        (b"c2sp", b"\nc2sp"),
    ],
)
def test_a_malformed_proof_is_refused(old: bytes, new: bytes) -> None:
    proof = proof_of(10)
    assert old in proof
    with pytest.raises(AttestError):
        TlogProof.parse(proof.replace(old, new, 1)).verify(ENTRIES[10], LOG.vkey)


def test_more_hashes_than_any_tree_has_are_refused() -> None:
    with pytest.raises(ProofError):
        TlogProof.parse(TlogProof(0, (b"\x00" * 32,) * 64, NOTE).to_text())


def test_text_that_is_not_unicode_is_refused_not_raised_through() -> None:
    with pytest.raises(ProofError):
        TlogProof.parse("\ud800")
    with pytest.raises(ProofError):
        TlogProof(0, (), b"\xff").to_text()
