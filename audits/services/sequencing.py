"""Whether an entry may enter the log: signed by a permitted key, and what its columns say it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from muniment.attest.envelope import PublicKey, verify_envelope
from muniment.attest.errors import AttestError
from muniment.attest.keyring import Keyring
from muniment.attest.statement import parse_statement


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pending entry: the signed bytes, and the columns that we select by."""

    entry_id: int
    envelope: bytes
    sha256: str
    predicate_type: str
    subject_name: str
    stream: str | None
    stream_seq: int | None


def refusal_of(
    entry: Candidate, trusted: Keyring, keys: Mapping[str, PublicKey]
) -> tuple[str | None, str | None]:
    """Return why an entry may not enter the log, and which envelope its statement follows.

    Args:
        keys: the trusted statement keys, loaded: `trusted.public_keys()`.

    Returns:
        The code of the refusal, None where the entry may enter; and the SHA-256 of the envelope
        before it in its stream, None where it has none.
    """
    try:
        verified = verify_envelope(entry.envelope, keys)
        statement = parse_statement(verified.payload)
    except AttestError as error:
        return error.code, None
    position = statement.position
    columns = (
        entry.sha256,
        entry.predicate_type,
        entry.subject_name,
        entry.stream,
        entry.stream_seq,
    )
    stated = (
        hashlib.sha256(entry.envelope).hexdigest(),
        statement.predicate_type,
        statement.subjects[0].name,
        position.stream if position else None,
        position.stream_seq if position else None,
    )
    if columns != stated:
        return "columns_differ", None
    if not trusted.permits(verified.keyid, entry.predicate_type):
        return "key_not_permitted", None
    previous = position.previous.hex if position and position.previous else None
    return None, previous
