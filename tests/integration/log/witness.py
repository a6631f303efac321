"""A witness for tests, written from c2sp.org/tlog-witness, tlog-cosignature and RFC 6962 alone.

It shares no code with the product: what it refuses, it refuses by its own reading.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.integration.log.loopback import Reply


@dataclass(frozen=True)
class _Refused(Exception):
    reply: Reply


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _roots(
    old: int, new: int, whole: bool, proof: list[bytes], old_root: bytes
) -> tuple[bytes, bytes]:
    """Rebuild both roots: SUBPROOF of RFC 6962 section 2.1.2, read backwards."""
    if old == new:
        value = old_root if whole else proof.pop(0)
        return value, value
    split = 1
    while split * 2 < new:
        split *= 2
    if old <= split:
        before, left = _roots(old, split, whole, proof, old_root)
        return before, _node(left, proof.pop(0))
    before, after = _roots(old - split, new - split, False, proof, old_root)
    left = proof.pop(0)
    return _node(left, before), _node(left, after)


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """Say whether the proof shows that the new tree begins with the old one."""
    if old == 0:
        return not proof
    rest = list(proof)
    try:
        found = _roots(old, new, True, rest, old_root)
    except IndexError:
        return False
    return not rest and found == (old_root, new_root)


class Witness:
    """A witness of one log; what it has seen outlives it, in its folder.

    Attributes:
        vkey: its verifier key.
        clock: seconds since 1970; may be replaced.
    """

    def __init__(self, name: str, folder: Path, *log_vkeys: str) -> None:
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        self._state = folder / "seen.json"
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self._public = self._key.public_key().public_bytes_raw()
        self._logs = {}
        for vkey in log_vkeys:
            log_name, _, encoded = vkey.split("+", 2)
            key = base64.b64decode(encoded)
            self._logs[log_name, _key_id(log_name, key)] = Ed25519PublicKey.from_public_bytes(
                key[1:]
            )
        self._lock = threading.Lock()
        self.clock = time.time

    @property
    def vkey(self) -> str:
        material = b"\x04" + self._public
        encoded = base64.b64encode(material).decode()
        return f"{self.name}+{_key_id(self.name, material).hex()}+{encoded}"

    def seen(self, origin: str) -> tuple[int, bytes]:
        """Return the size and root that were last cosigned."""
        if not self._state.exists():
            return 0, b""
        size, root = json.loads(self._state.read_text()).get(origin, [0, ""])
        return size, base64.b64decode(root)

    def see(self, origin: str, size: int, root: bytes) -> None:
        """Remember a tree as cosigned."""
        states = json.loads(self._state.read_text()) if self._state.exists() else {}
        states[origin] = [size, base64.b64encode(root).decode()]
        self._state.write_text(json.dumps(states))

    def respond(self, path: str, body: bytes) -> Reply:
        """Answer add-checkpoint."""
        if not path.endswith("/add-checkpoint"):
            return Reply(404)
        try:
            with self._lock:
                return self._add_checkpoint(body.decode())
        except _Refused as refused:
            return refused.reply

    def cosign(self, text: str) -> str:
        """Return a signature line, whether or not it is deserved."""
        at = int(self.clock())
        signature = self._key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        content = _key_id(self.name, b"\x04" + self._public) + at.to_bytes(8, "big") + signature
        return f"\u2014 {self.name} {base64.b64encode(content).decode()}\n"

    def _add_checkpoint(self, body: str) -> Reply:
        head, _, note = body.partition("\n\n")
        old_line, *encoded_proof = head.split("\n")
        text, _, signatures = note.partition("\n\n")
        text += "\n"
        origin, size_line, root_line = text.split("\n")[:3]
        word, _, number = old_line.partition(" ")
        if word != "old" or str(int(number)) != number or len(encoded_proof) > 63:
            return Reply(400)
        old, size, root = int(number), int(size_line), base64.b64decode(root_line)
        proof = [base64.b64decode(line, validate=True) for line in encoded_proof]
        self._require_signed(origin, text, signatures)
        if old > size:
            return Reply(400)
        seen_size, seen_root = self.seen(origin)
        if old != seen_size or (old == size and seen_root != root):
            return Reply(409, f"{seen_size}\n".encode(), {"Content-Type": "text/x.tlog.size"})
        if not is_consistent(old, seen_root, size, root, proof):
            return Reply(422)
        self.see(origin, size, root)
        return Reply(200, self.cosign(text).encode())

    def _require_signed(self, origin: str, text: str, signatures: str) -> None:
        if origin not in {name for name, _ in self._logs}:
            raise _Refused(Reply(404))
        for line in signatures.splitlines():
            dash, name, encoded = line.split(" ")
            content = base64.b64decode(encoded)
            key = self._logs.get((name, content[:4]))
            if dash == "\u2014" and name == origin and key is not None:
                try:
                    key.verify(content[4:], text.encode())
                except InvalidSignature:
                    continue
                return
        raise _Refused(Reply(403))


def _key_id(name: str, material: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
