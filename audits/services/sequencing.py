"""Whether an entry may enter the log: signed by a permitted key, and what its columns say it is."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

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


# Below this, starting processes costs more than they save.
_WORTH_SHARING = 512


def refusals_of(entries: Sequence[Candidate], trusted: Keyring) -> list[str | None]:
    """Return why each entry may not enter the log, None where it may; in the given order.

    Verifying signatures is what sequencing spends its time on, so that many of them are shared
    between the processor's cores. The processes are forked, see nothing of the database, and end
    with the call, or with this process.
    """
    keys = trusted.public_keys()
    cores = len(os.sched_getaffinity(0))
    if len(entries) < _WORTH_SHARING or cores == 1:
        return [refusal_of(entry, trusted, keys)[0] for entry in entries]
    judge = _Judge(entries, trusted, keys, cores)
    with multiprocessing.get_context("fork").Pool(cores, _Judge.inherit, (judge,)) as pool:
        shares = pool.map(_Judge.share, range(cores), chunksize=1)
    codes: list[str | None] = [None] * len(entries)
    for first, share in enumerate(shares):
        codes[first::cores] = share
    return codes


@dataclass(frozen=True, slots=True)
class _Judge:
    """What a forked process inherits, so that nothing is sent to it but its number."""

    entries: Sequence[Candidate]
    trusted: Keyring
    keys: Mapping[str, PublicKey]
    shares: int

    inherited: ClassVar[_Judge]

    @staticmethod
    def inherit(judge: _Judge) -> None:
        _Judge.inherited = judge

    @staticmethod
    def share(first: int) -> list[str | None]:
        judge = _Judge.inherited
        mine = judge.entries[first :: judge.shares]
        return [refusal_of(entry, judge.trusted, judge.keys)[0] for entry in mine]
