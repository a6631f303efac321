"""A small log made by the kit alone: what a server hands out, true or not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.digest import Digest
from muniment.attest.envelope import load_file_signer, sign_envelope
from muniment.attest.keyring import KeyEntry
from muniment.attest.keys import public_key_pem_of
from muniment.attest.merkle import inclusion_proof, leaf_hash, root_hash
from muniment.attest.note import NoteSigner
from muniment.attest.proof import TlogProof
from muniment.attest.statement import StreamPosition, Subject, build_statement, format_time
from tests.unit.attest.signing import write_key

AT = format_time(datetime(2026, 11, 25, 4, tzinfo=UTC))
ACTOR = {"kind": "service", "id": "mirror"}
KEY = "https://muniment.dev/key/v1"
EVENT = "https://muniment.dev/registry-event/v1"
STREAM = "muniment://default/models/small@1"


@dataclass
class SmallLog:
    """Entries, and the keys that are enrolled by them.

    Attributes:
        key_entries: where a server says that each statement key is enrolled.
    """

    folder: Path
    envelopes: list[bytes] = field(default_factory=list)
    key_entries: dict[str, str] = field(default_factory=dict)
    signer: NoteSigner = field(
        default_factory=lambda: NoteSigner("small.example/log", Ed25519PrivateKey.generate())
    )

    def new_key(self, scheme: str = "ed25519") -> str:
        """Make a key that nobody enrolled yet; return its URI."""
        return write_key(self.folder / f"key-{len(list(self.folder.iterdir()))}.pem", scheme)

    def enrol(
        self, uri: str, *, by: str | None = None, types: Sequence[str] = (KEY, EVENT)
    ) -> bytes:
        """Enrol a key, signed by itself or by another; return the envelope."""
        pem = public_key_pem_of(load_file_signer(uri))
        key = KeyEntry.for_key("statement", pem, predicate_types=types)
        envelope = self.add(key.statement(at=AT, actor=ACTOR), by or uri)
        self.key_entries[key.keyid] = hashlib.sha256(envelope).hexdigest()
        return envelope

    def add(self, payload: bytes, uri: str) -> bytes:
        """Add a signed payload; return the envelope."""
        envelope = sign_envelope(payload, load_file_signer(uri))
        self.envelopes.append(envelope)
        return envelope

    def event(self, uri: str, previous: bytes | None, seq: int, **predicate: Any) -> bytes:
        """Add an event of the stream, after another; return the envelope."""
        digest = Digest("sha256", hashlib.sha256(previous).hexdigest()) if previous else None
        payload = build_statement(
            subjects=[Subject(STREAM, Digest("sha256", "a" * 64))],
            predicate_type=EVENT,
            predicate={
                "event": "model.changed",
                "at": AT,
                "actor": ACTOR,
                "before": None,
                "after": {"seq": seq},
                **predicate,
            },
            position=StreamPosition(STREAM, seq, digest),
        )
        return self.add(payload, uri)

    def proof(self, envelope: bytes) -> TlogProof:
        """Prove that an envelope stands in the log as it is now."""
        leaves = [leaf_hash(item) for item in self.envelopes]
        index = self.envelopes.index(envelope)
        checkpoint = Checkpoint(self.signer.name, len(leaves), root_hash(leaves))
        return TlogProof(
            index,
            tuple(inclusion_proof(leaves, index)),
            sign_checkpoint(checkpoint, self.signer),
        )
