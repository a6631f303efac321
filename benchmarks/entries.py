"""Signed entries of a realistic size, made fast: one statement built, then varied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from muniment.attest.digest import Digest, canonical_json
from muniment.attest.envelope import EnvelopeSigner, sign_envelope
from muniment.attest.predicates import REGISTRY_EVENT
from muniment.attest.statement import StreamPosition, Subject, build_statement

STREAM = "muniment://default/models/fraud@1"


@dataclass(frozen=True, slots=True)
class Signed:
    """An envelope and what its columns say."""

    envelope: bytes
    sha256: str
    stream_seq: int


def signed_entries(count: int, signer: EnvelopeSigner) -> Iterator[Signed]:
    """Give `count` entries of one stream, about 1.5 KB each."""
    template = json.loads(
        build_statement(
            subjects=[Subject(STREAM, Digest.of_bytes(b"row"))],
            predicate_type=REGISTRY_EVENT,
            predicate={
                "event": "model.changed",
                "at": "2026-11-25T12:00:00.000000Z",
                "actor": {"kind": "service", "id": "mirror"},
                "before": None,
                "after": {"tags": {f"tag-{n}": "a value as MLflow holds it" for n in range(9)}},
            },
            position=StreamPosition(STREAM, 0, None),
        )
    )
    previous = None
    for number in range(count):
        template["predicate"] |= {"stream_seq": number, "previous": previous}
        envelope = sign_envelope(canonical_json(template), signer)
        sha256 = hashlib.sha256(envelope).hexdigest()
        previous = {"sha256": sha256}
        yield Signed(envelope, sha256, number)
