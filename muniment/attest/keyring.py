"""The keys in use, what each may sign, and how the log itself says so.

The keyring file serves the servers. An auditor trusts the log's key only, and learns the others
from the key statements that stand in the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from muniment.attest.digest import Digest
from muniment.attest.errors import AttestError, StatementError
from muniment.attest.keys import (
    ED25519,
    SIGNING_SCHEMES,
    PublicKey,
    ed25519_pem,
    keyid_of,
    raw_ed25519_key,
    scheme_of,
)
from muniment.attest.note import ED25519_TYPE, NoteVerifier, parse_vkey
from muniment.attest.predicates import KEY, require_readable
from muniment.attest.statement import Statement, Subject, build_statement
from muniment.attest.strict_json import parse_object

USES: Final = ("statement", "grant", "pdf", "log")
MAX_KEYRING_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key: what it is for, and the predicate types it may sign.

    Law: ``KeyEntry.from_statement(parse_statement(entry.statement(...))) == entry``.

    Attributes:
        use: ``statement``, ``grant``, ``pdf`` or ``log``.
        keyid: ``keyid_of(public_key_pem)``, for a PDF key too.
        certificate_pem: of a PDF key, whose public key it certifies; None otherwise.
        predicate_types: empty for keys that sign no statements.

    Raises:
        StatementError: the parts contradict each other.
    """

    use: str
    keyid: str
    scheme: str
    public_key_pem: str
    certificate_pem: str | None
    predicate_types: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise _invalid(f"{self.use[:40]!r} is not one of {', '.join(USES)}")
        try:
            keyid, scheme = keyid_of(self.public_key_pem), scheme_of(self.public_key_pem)
        except AttestError as error:
            raise _invalid(f"the {self.use} key: {error.message}") from error
        if keyid != self.keyid:
            raise _invalid(f"the {self.use} key's id is not that of its public key")
        if (self.use == "pdf") != (self.certificate_pem is not None):
            raise _invalid("a PDF key has a certificate, and no other key has one")
        if self.use == "pdf":
            if _certified_keyid(self.certificate_pem or "") != keyid:
                raise _invalid("the certificate is for another key")
        elif scheme != self.scheme or scheme not in SIGNING_SCHEMES:
            raise _invalid(f"the {self.use} key is {scheme}, not {self.scheme[:40]!r}")
        if self.use == "log" and scheme != ED25519:
            raise _invalid(f"the log key is {scheme}, not {ED25519}")
        if self.predicate_types and self.use != "statement":
            raise _invalid(f"a {self.use} key signs no statements")

    @classmethod
    def for_key(
        cls,
        use: str,
        public_key_pem: str,
        *,
        certificate_pem: str | None = None,
        predicate_types: Iterable[str] = (),
    ) -> Self:
        """Describe a key, deriving its id and scheme.

        Raises:
            AttestError: as ``keyid_of``, or the parts contradict each other.
        """
        return cls(
            use,
            keyid_of(public_key_pem),
            scheme_of(public_key_pem),
            public_key_pem,
            certificate_pem,
            tuple(predicate_types),
        )

    @classmethod
    def from_mapping(cls, members: Mapping[str, Any]) -> Self:
        """Read an entry of the keyring file or a key statement's predicate.

        Unknown members are ignored.

        Raises:
            StatementError: a member missing or of another type, or as the constructor.
        """
        texts = [members.get(name) for name in ("use", "keyid", "scheme", "public_key_pem")]
        certificate = members.get("certificate_pem")
        types = members.get("predicate_types")
        if not all(isinstance(text, str) for text in texts):
            raise _invalid("a key has use, keyid, scheme and public_key_pem, all text")
        if certificate is not None and not isinstance(certificate, str):
            raise _invalid("certificate_pem is text")
        if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
            raise _invalid("predicate_types is a list of text")
        use, keyid, scheme, pem = (str(text) for text in texts)
        return cls(use, keyid, scheme, pem, certificate, tuple(types))

    @classmethod
    def from_statement(cls, statement: Statement) -> Self:
        """Read a ``key/v1`` statement.

        Raises:
            StatementError: another type, another event, a subject that does not name this key,
                or as ``from_mapping``.
        """
        if statement.predicate_type != KEY:
            raise _invalid(f"not a key statement: {statement.predicate_type[:200]}")
        require_readable(KEY, statement.predicate)
        if statement.predicate["event"] != "key.enrolled":
            raise _invalid(f"not an enrolment: {statement.predicate['event'][:80]}")
        entry = cls.from_mapping(statement.predicate)
        if statement.subjects != (entry.subject,):
            raise _invalid("the key statement's subject does not name its key")
        return entry

    def vkey(self, origin: str) -> str:
        """Return a log key as the verifier key of the log of that name.

        Raises:
            StatementError: not a log key.
        """
        if self.use != "log":
            raise _invalid(f"a {self.use} key verifies no log")
        return NoteVerifier(origin, raw_ed25519_key(self.public_key_pem)).vkey

    @property
    def public_key(self) -> PublicKey:
        """The loaded key, for verifying envelopes (not for a PDF key)."""
        return PublicKey.from_pem(self.public_key_pem, scheme=self.scheme)

    @property
    def certificate_sha256(self) -> str | None:
        """SHA-256 of the certificate's DER in hexadecimal; None without one."""
        if self.certificate_pem is None:
            return None
        der = load_pem_x509_certificate(self.certificate_pem.encode()).public_bytes(Encoding.DER)
        return hashlib.sha256(der).hexdigest()

    @property
    def subject(self) -> Subject:
        """The subject of this key's statement: of a PDF key the certificate, else the key."""
        return Subject(
            f"key:{self.use}:{self.keyid}", Digest("sha256", self.certificate_sha256 or self.keyid)
        )

    def as_mapping(self) -> dict[str, object]:
        """Return the entry as it stands in the keyring file."""
        members: dict[str, object] = {
            "use": self.use,
            "keyid": self.keyid,
            "scheme": self.scheme,
            "public_key_pem": self.public_key_pem,
            "predicate_types": list(self.predicate_types),
        }
        if self.certificate_pem is not None:
            members["certificate_pem"] = self.certificate_pem
        return members

    def statement(self, *, at: str, actor: Mapping[str, str]) -> bytes:
        """Return the ``key/v1`` statement that enrols this key, to be signed and logged.

        Args:
            at: as ``format_time`` writes it.
            actor: ``{"kind", "id"}``.

        Raises:
            StatementError: a malformed time or actor.
        """
        return build_statement(
            subjects=[self.subject],
            predicate_type=KEY,
            predicate={
                "event": "key.enrolled",
                "at": at,
                "actor": dict(actor),
                **self.as_mapping(),
            },
        )


@dataclass(frozen=True, slots=True)
class LogKey:
    """The log's verifier keys, and the origin of its checkpoints: the name in each.

    Attributes:
        vkey: the key in use, which auditors are given.
        others: keys that it took over from, or that will take over from it.

    Raises:
        StatementError: a malformed verifier key, or one of another name.
    """

    vkey: str
    origin: str
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.vkeys)) != len(self.vkeys):
            raise _invalid("the log has one key twice")
        for vkey in self.vkeys:
            try:
                verifier = parse_vkey(vkey)
            except AttestError as error:
                raise _invalid(f"the log's vkey: {error.message}") from error
            if verifier.kind != ED25519_TYPE:
                raise _invalid("the log's vkey is a witness's")
            if verifier.name != self.origin:
                raise _invalid(
                    f"the log {self.origin[:80]} has a key of the name {verifier.name[:80]}"
                )

    @property
    def vkeys(self) -> tuple[str, ...]:
        """Every key that the log signs with or signed with, the one in use first."""
        return (self.vkey, *self.others)

    @property
    def keys(self) -> tuple[KeyEntry, ...]:
        """The same keys as the log states them, in the order of ``vkeys``."""
        return tuple(
            KeyEntry.for_key("log", ed25519_pem(parse_vkey(vkey).public_key)) for vkey in self.vkeys
        )


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keyring file: the log's verifier key and every other key in use.

    Attributes:
        keys: all but the log's, in the file's order; no key twice, not even for two uses, the
            log's included.
    """

    log: LogKey
    keys: tuple[KeyEntry, ...]

    def __post_init__(self) -> None:
        if any(key.use == "log" for key in self.keys):
            raise _invalid("a log key stands in the keyring's log, not among its keys")
        every = (*self.keys, *self.log.keys)
        if len({key.keyid for key in every}) != len(every):
            raise _invalid("one key stands in the keyring twice; each use has its own key")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a keyring file.

        Raises:
            StatementError: it cannot be read, or as ``parse``.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise StatementError(
                f"cannot read the keyring {path}: {error.strerror}", code="statement.keyring"
            ) from error
        return cls.parse(content)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a keyring file's bytes. Unknown members are ignored.

        Raises:
            StatementError: not strict JSON, a member missing or malformed, or as the constructors.
        """
        parsed = parse_object(
            content, error=StatementError, what="the keyring", max_bytes=MAX_KEYRING_BYTES
        )
        log, listed = parsed.get("log"), parsed.get("keys")
        if not isinstance(log, dict) or not isinstance(listed, list):
            raise _invalid("a keyring has log and keys")
        vkey, origin = log.get("vkey"), log.get("origin")
        if not isinstance(vkey, str) or not isinstance(origin, str):
            raise _invalid("the keyring's log has a vkey and an origin")
        others = log.get("others", [])
        if not isinstance(others, list) or not all(isinstance(item, str) for item in others):
            raise _invalid("the log's other vkeys are a list of text")
        if not all(isinstance(item, dict) for item in listed):
            raise _invalid("a key is a JSON object")
        return cls(
            LogKey(vkey, origin, tuple(others)),
            tuple(KeyEntry.from_mapping(item) for item in listed),
        )

    def key_for(self, keyid: str) -> KeyEntry | None:
        """Return the entry of that id, or None where the keyring has none."""
        return next((key for key in self.keys if key.keyid == keyid), None)

    def for_use(self, use: str) -> tuple[KeyEntry, ...]:
        """Return every key of one use, in order."""
        return tuple(key for key in self.keys if key.use == use)

    def permits(self, keyid: str, predicate_type: str) -> bool:
        """Say whether that key may sign statements of that type; an unknown key may not."""
        key = self.key_for(keyid)
        return key is not None and key.use == "statement" and predicate_type in key.predicate_types

    def public_keys(self, use: str = "statement") -> dict[str, PublicKey]:
        """Return the loaded keys of one use, by key id, as ``verify_envelope`` takes them."""
        return {key.keyid: key.public_key for key in self.for_use(use)}

    def as_mapping(self) -> dict[str, object]:
        """Return the file's content, for ``canonical_json`` or ``json.dumps``."""
        log: dict[str, object] = {"vkey": self.log.vkey, "origin": self.log.origin}
        if self.log.others:
            log["others"] = list(self.log.others)
        return {
            "log": log,
            "keys": [key.as_mapping() for key in self.keys],
        }


def _certified_keyid(certificate_pem: str) -> str:
    try:
        public_key = load_pem_x509_certificate(certificate_pem.encode()).public_key()
    except ValueError as error:
        raise _invalid("not a PEM certificate") from error
    return keyid_of(public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _invalid(message: str) -> StatementError:
    return StatementError(message, code="statement.key")
