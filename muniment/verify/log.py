"""Entries against the log: inclusion, signatures, and the keys that the log itself names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from muniment.attest.bundle import LoggedEntry
from muniment.attest.checkpoint import Checkpoint
from muniment.attest.envelope import (
    STATEMENT_PAYLOAD_TYPE,
    parse_envelope,
    verify_envelope,
)
from muniment.attest.errors import AttestError
from muniment.attest.keyring import KeyEntry
from muniment.attest.merkle import leaf_hash, verify_inclusion
from muniment.attest.predicates import KEY, PREDICATE_TYPES, require_readable
from muniment.attest.proof import TlogProof
from muniment.attest.statement import Statement, parse_statement
from muniment.verify.errors import ReportError


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry that stands in the log under the checkpoint: its content is still a claim.

    Attributes:
        sha256: of the envelope's exact bytes, in hexadecimal.
        payload_sha256: of the statement's bytes; empty where there is none.
        statement: as parsed; None where the envelope holds none.
        fault: why there is no statement; None where there is one.
    """

    leaf_index: int
    envelope: bytes
    sha256: str
    payload_sha256: str
    statement: Statement | None
    fault: AttestError | None


@dataclass(frozen=True, slots=True)
class EnrolledKeys:
    """The keys that the log's own entries enrol, by key id, and the leaves that do so."""

    by_keyid: Mapping[str, KeyEntry]
    leaves: Mapping[str, int] = field(default_factory=dict)

    def permits(self, keyid: str, predicate_type: str) -> bool:
        """Whether that key is enrolled for statements of that type."""
        key = self.by_keyid.get(keyid)
        return key is not None and key.use == "statement" and predicate_type in key.predicate_types

    def of_use(self, use: str) -> list[KeyEntry]:
        """Return the keys of one use."""
        return [key for key in self.by_keyid.values() if key.use == use]


def prove_entry(entry: LoggedEntry, checkpoint: Checkpoint, checkpoint_note: bytes) -> ProvenEntry:
    """Return the entry if it stands in the log under exactly this checkpoint.

    Raises:
        AttestError: the proof is malformed, for another leaf or under another checkpoint, or
            it does not lead to the root; the message names the leaf.
    """
    try:
        proof = TlogProof.parse(entry.proof)
        if proof.leaf_index != entry.leaf_index:
            raise ReportError(
                f"its proof is for leaf {proof.leaf_index}", code="report.proof_of_another"
            )
        if proof.checkpoint != checkpoint_note:
            raise ReportError(
                "its proof is under another checkpoint than the one it came with",
                code="report.other_checkpoint",
            )
        verify_inclusion(
            leaf_hash(entry.envelope),
            entry.leaf_index,
            checkpoint.tree_size,
            proof.hashes,
            checkpoint.root_hash,
        )
    except AttestError as error:
        raise ReportError(f"leaf {entry.leaf_index}: {error.message}", code=error.code) from error
    return read_entry(entry.leaf_index, entry.envelope)


def read_entry(leaf_index: int, envelope: bytes) -> ProvenEntry:
    """Read what an entry says; that it stands in the log was proven before.

    An envelope without a statement is no error: the entry holds the fault instead.
    """
    statement, fault, payload_sha256 = None, None, ""
    try:
        parsed = parse_envelope(envelope)
        if parsed.payload_type != STATEMENT_PAYLOAD_TYPE:
            raise ReportError(f"the payload is {parsed.payload_type[:80]!r}, not a statement")
        statement = parse_statement(parsed.payload)
        payload_sha256 = hashlib.sha256(parsed.payload).hexdigest()
    except AttestError as error:
        fault = error
    return ProvenEntry(
        leaf_index,
        envelope,
        hashlib.sha256(envelope).hexdigest(),
        payload_sha256,
        statement,
        fault,
    )


def enrolled_keys(entries: Sequence[ProvenEntry]) -> EnrolledKeys:
    """Learn the keys from the key statements among ``entries``, all proven.

    The first statement key enrols itself; that it stands in the log is what vouches for it.
    Every other key statement must be signed by a statement key enrolled before it.

    Raises:
        AttestError: no statement key, a malformed key statement, one not signed by an enrolled
            key, or one key enrolled twice.
    """
    enrolments = [
        (key_of(entry.leaf_index, entry.statement), entry)
        for entry in entries
        if entry.statement is not None and entry.statement.predicate_type == KEY
    ]
    roots = [key for key, entry in enrolments if signs_itself(key, entry)]
    if not roots:
        raise ReportError(
            "no statement key is enrolled in the log entries that were given",
            code="report.no_statement_key",
        )
    trusted = {roots[0].keyid: roots[0]}
    for key, entry in enrolments:
        if key is roots[0]:
            continue
        if key.keyid in trusted:
            raise ReportError(f"leaf {entry.leaf_index}: key {key.keyid[:16]}… is enrolled twice")
        verify_statement_entry(entry, EnrolledKeys(trusted))
        trusted[key.keyid] = key
    return EnrolledKeys(trusted, {key.keyid: entry.leaf_index for key, entry in enrolments})


def verify_statement_entry(entry: ProvenEntry, keys: EnrolledKeys) -> str:
    """Return the id of the enrolled key that signed the entry and may sign its type.

    Raises:
        AttestError: not a statement, a bad signature, an unknown key, or a key without
            permission for the predicate type; the message names the leaf.
    """
    try:
        if entry.statement is None:
            raise entry.fault or ReportError("no statement")
        public_keys = {key.keyid: key.public_key for key in keys.of_use("statement")}
        keyid = verify_envelope(entry.envelope, public_keys).keyid
        if not keys.permits(keyid, entry.statement.predicate_type):
            raise ReportError(
                f"key {keyid[:16]}… may not sign {entry.statement.predicate_type}",
                code="report.key_not_permitted",
            )
        return keyid
    except AttestError as error:
        raise ReportError(f"leaf {entry.leaf_index}: {error.message}", code=error.code) from error


def require_readable_statements(entries: Iterable[ProvenEntry]) -> int:
    """Accept only statements of known types and shapes; return how many there are.

    Raises:
        AttestError: an unknown predicate type or a malformed predicate, with the leaf.
    """
    count = 0
    for entry in entries:
        statement = entry.statement
        try:
            if statement is None:
                raise entry.fault or ReportError("no statement")
            if statement.predicate_type not in PREDICATE_TYPES:
                raise ReportError(f"unknown predicate type {statement.predicate_type[:200]!r}")
            require_readable(statement.predicate_type, statement.predicate)
        except AttestError as error:
            raise ReportError(
                f"leaf {entry.leaf_index}: {error.message}", code=error.code
            ) from error
        count += 1
    return count


def key_of(leaf_index: int, statement: Statement | None) -> KeyEntry:
    """Return the key that a key statement enrols.

    Raises:
        ReportError: no key statement, or a malformed one; the message names the leaf.
    """
    try:
        if statement is None:
            raise ReportError("no statement")
        return KeyEntry.from_statement(statement)
    except AttestError as error:
        raise ReportError(f"leaf {leaf_index}: {error.message}", code=error.code) from error


def signs_itself(key: KeyEntry, entry: ProvenEntry) -> bool:
    """Whether the entry enrols a statement key and is signed by that same key."""
    if key.use != "statement":
        return False
    try:
        verify_statement_entry(entry, EnrolledKeys({key.keyid: key}))
    except AttestError:
        return False
    return True
