"""What a whole log's entries say: enrolled keys, signatures, shapes and streams, in log order.

Nothing is kept of an entry once it was looked at, except the head of its stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from muniment.attest.errors import AttestError
from muniment.attest.keyring import KeyEntry
from muniment.attest.predicates import KEY
from muniment.attest.statement import Statement, require_own_stream
from muniment.verify.errors import LogError
from muniment.verify.log import (
    EnrolledKeys,
    ProvenEntry,
    key_of,
    read_entry,
    require_readable_statements,
    signs_itself,
    verify_statement_entry,
)
from muniment.verify.passkeys import credential_subject
from muniment.verify.stream import StreamEntry, StreamHeads

# Key statements that may stand before the first statement key's own.
_MOST_EARLY: Final = 64


@dataclass(slots=True)
class Faults:
    """What was wrong of one kind: the first of them, and how many."""

    first: AttestError | None = None
    count: int = 0

    def look(self, look: Callable[[], object]) -> None:
        """Do something; an ``AttestError`` is a fault and ends nothing."""
        try:
            look()
        except AttestError as error:
            self.first = self.first or error
            self.count += 1

    def require_none(self) -> None:
        """Pass if there was no fault.

        Raises:
            AttestError: as the first one, with the number of the others.
        """
        if self.first is None:
            return
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        raise LogError(f"{self.first.message}{more}", code=self.first.code)


def _require_own_stream(leaf_index: int, statement: Statement) -> None:
    try:
        require_own_stream(statement)
    except AttestError as error:
        raise LogError(f"leaf {leaf_index}: {error.message}", code=error.code) from error


@dataclass(slots=True)
class LogStatements:
    """The statements of a log, taken one bundle after another.

    Attributes:
        watch: a stream of which every statement is to be remembered; None for none.
        watched: of that stream, the SHA-256 of the envelope by leaf.
        credentials: which credential the statement at a leaf is about, of those that are about one.
        signers: ids of the keys that signed something.
    """

    watch: str | None = None
    watched: dict[int, str] = field(default_factory=dict)
    credentials: dict[int, str] = field(default_factory=dict)
    heads: StreamHeads = field(default_factory=StreamHeads)
    signers: set[str] = field(default_factory=set)
    count: int = 0
    keys: Faults = field(default_factory=Faults)
    signatures: Faults = field(default_factory=Faults)
    shapes: Faults = field(default_factory=Faults)
    streams: Faults = field(default_factory=Faults)
    _trusted: dict[str, KeyEntry] = field(default_factory=dict)
    _early: list[tuple[KeyEntry, ProvenEntry]] = field(default_factory=list)

    @property
    def enrolled(self) -> EnrolledKeys:
        """The keys that the log's entries enrolled so far."""
        return EnrolledKeys(self._trusted)

    def take(self, first_index: int, envelopes: Sequence[bytes]) -> None:
        """Look at entries that follow those taken before."""
        for leaf_index, envelope in enumerate(envelopes, first_index):
            self._take(read_entry(leaf_index, envelope))

    def require_keys(self) -> None:
        """Pass if there is a statement key and every enrolment is by an enrolled key.

        Raises:
            AttestError: otherwise, with the leaf.
        """
        if not self._trusted:
            raise LogError("no entry of the log enrols a statement key", code="log.no_key")
        self.keys.require_none()

    def _take(self, entry: ProvenEntry) -> None:
        self.count += 1
        statement = entry.statement
        if statement is not None and statement.predicate_type == KEY:
            self.keys.look(lambda: self._enrol(entry))
        else:
            self.signatures.look(lambda: self._verify(entry))
        if statement is None:
            return  # said once, among the signatures
        self.shapes.look(lambda: require_readable_statements([entry]))
        self.streams.look(lambda: _require_own_stream(entry.leaf_index, statement))
        if subject := credential_subject(entry):
            self.credentials[entry.leaf_index] = subject
        if statement.position is not None:
            placed = StreamEntry(entry.leaf_index, entry.sha256, entry.payload_sha256, statement)
            self.streams.look(lambda: self.heads.follow(placed))
            if statement.position.stream == self.watch:
                self.watched[entry.leaf_index] = entry.sha256

    def _verify(self, entry: ProvenEntry) -> None:
        self.signers.add(verify_statement_entry(entry, EnrolledKeys(self._trusted)))

    def _enrol(self, entry: ProvenEntry) -> None:
        key = key_of(entry.leaf_index, entry.statement)
        if self._trusted:
            self._trust(key, entry)
            return
        if not signs_itself(key, entry):
            if len(self._early) >= _MOST_EARLY:
                raise LogError(
                    f"leaf {entry.leaf_index}: no statement key is enrolled before it",
                    code="log.no_key",
                )
            self._early.append((key, entry))
            return
        self._trusted[key.keyid] = key
        self.signers.add(key.keyid)
        for early_key, early in self._early:
            self.keys.look(partial(self._trust, early_key, early))
        self._early.clear()

    def _trust(self, key: KeyEntry, entry: ProvenEntry) -> None:
        if key.keyid in self._trusted:
            raise LogError(
                f"leaf {entry.leaf_index}: key {key.keyid[:16]}… is enrolled twice",
                code="log.key_twice",
            )
        self._verify(entry)
        self._trusted[key.keyid] = key
