"""A second verifier of whole logs: naive, straight from the texts, without a line of the kit's.

Sources: RFC 6962 section 2.1 (MTH), https://c2sp.org/tlog-tiles, https://c2sp.org/tlog-checkpoint,
https://c2sp.org/signed-note. Signatures are openssl's business.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path


def verify_log(folder: str | Path, vkey: str) -> int:
    """Return the number of entries of the log that lies in a folder.

    Raises:
        AssertionError: anything about it is not as the texts say.
    """
    root = Path(folder)
    n, root_hash = open_note(read(root / "checkpoint"), vkey)
    d = read_entries(root, n)
    assert MTH(d) == root_hash, "the root of the checkpoint"
    level = 0
    known: dict[int, list[bytes]] = {0: [MTH([entry]) for entry in d]}
    while n >> (8 * level):
        if level:
            below = known[level - 1]
            known[level] = [
                mth_of_hashes(below[at : at + 256]) for at in range(0, len(below) - 255, 256)
            ]
        hashes = known[level]
        for index in range(0, len(hashes), 256):
            expected = b"".join(hashes[index : index + 256])
            path = f"tile/{level}/{tile_name(index // 256, len(expected) // 32)}"
            assert read(root / path) == expected, path
        level += 1
    for file in sorted((root / "checkpoints").glob("*")):
        size, earlier = open_note(read(file), vkey)
        assert file.name == str(size), file
        assert size <= n, file
        assert MTH(d[:size]) == earlier, file
    return n


def MTH(d: list[bytes]) -> bytes:  # noqa: N802 - as the RFC has it
    """Return the Merkle Tree Hash of D[n], by the recursion of RFC 6962 section 2.1."""
    if not d:
        return hashlib.sha256(b"").digest()
    if len(d) == 1:
        return hashlib.sha256(b"\x00" + d[0]).digest()
    k = 1
    while k * 2 < len(d):
        k *= 2
    return hashlib.sha256(b"\x01" + MTH(d[:k]) + MTH(d[k:])).digest()


def mth_of_hashes(hashes: list[bytes]) -> bytes:
    """Return what 256 hashes of one level hash to: the same recursion, above the leaves."""
    if len(hashes) == 1:
        return hashes[0]
    k = len(hashes) // 2
    return hashlib.sha256(b"\x01" + mth_of_hashes(hashes[:k]) + mth_of_hashes(hashes[k:])).digest()


def read_entries(root: Path, n: int) -> list[bytes]:
    """Read D[n] out of the entry bundles."""
    d: list[bytes] = []
    while len(d) < n:
        width = min(256, n - len(d))
        path = f"tile/entries/{tile_name(len(d) // 256, width)}"
        rest = read(root / path)
        for _ in range(width):
            assert len(rest) >= 2, path
            length = rest[0] * 256 + rest[1]
            assert len(rest) >= 2 + length, path
            d.append(rest[2 : 2 + length])
            rest = rest[2 + length :]
        assert rest == b"", f"{path} goes on after its last entry"
    return d


def tile_name(index: int, width: int) -> str:
    """Return ``x001/x234/067.p/8``: groups of three digits, all but the last behind an x."""
    digits = str(index)
    while len(digits) % 3:
        digits = "0" + digits
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return name if width == 256 else f"{name}.p/{width}"


def open_note(note: bytes, vkey: str) -> tuple[int, bytes]:
    """Return size and root of a checkpoint that the key signed."""
    name, key_id, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)
    assert key[:1] == b"\x01", "an Ed25519 key"
    assert hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id, "the key's id"
    text, separator, signatures = note.decode().rpartition("\n\n")
    assert separator, "a note has signatures"
    text += "\n"
    assert signatures.endswith("\n"), "the last line is whole"
    is_signed = False
    for line in signatures.splitlines():
        dash, signer, content = line.split(" ")
        assert dash == "\N{EM DASH}", "a signature line"
        blob = base64.b64decode(content, validate=True)
        if signer == name and blob[:4].hex() == key_id:
            assert openssl_accepts(key[1:], text.encode(), blob[4:]), "the log's signature"
            is_signed = True
    assert is_signed, "the log signed"
    origin, size, root = text.split("\n")[:3]
    assert origin == name, "the origin is the key's name"
    assert size == str(int(size)), "the size has one spelling"
    return int(size), base64.b64decode(root, validate=True)


def openssl_accepts(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Ask openssl whether an Ed25519 signature verifies."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.joinpath("key").write_bytes(bytes.fromhex("302a300506032b6570032100") + public_key)
        place.joinpath("message").write_bytes(message)
        place.joinpath("signature").write_bytes(signature)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in message"
        done = subprocess.run(
            [*command.split(), "-sigfile", "signature"],
            cwd=place,
            capture_output=True,
            check=False,
        )
    return done.returncode == 0


def read(path: Path) -> bytes:
    """Return a file's content; a missing one is what an assertion is for."""
    assert path.is_file(), f"{path} is missing"
    return path.read_bytes()


if __name__ == "__main__":
    print(verify_log(sys.argv[1], sys.argv[2]))
