"""Trust policies for a log: which logs count, which witnesses, and how many of them it takes.

Source: https://c2sp.org/tlog-policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from muniment.attest.checkpoint import Checkpoint, open_checkpoint
from muniment.attest.errors import NoteError
from muniment.attest.note import (
    COSIGNATURE_TYPE,
    ED25519_TYPE,
    NoteVerifier,
    OpenedNote,
    parse_note,
    parse_vkey,
)

# As many as the specification asks for; together they are the most signatures that a note has.
MAX_LOGS: Final = 32
MAX_WITNESSES: Final = 32
MAX_GROUPS: Final = 32
MAX_POLICY_BYTES: Final = 1_000_000
NO_QUORUM: Final = "none"
_SHAPES: Final = {
    "log": "log <vkey> [<url>]",
    "witness": "witness <name> <vkey> [<url>]",
    "group": "group <name> all|any|<k> <member>…",
    "quorum": "quorum <name>|none",
}
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log that counts; its verifier's name is its origin."""

    verifier: NoteVerifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness, under the name that the policy has for it.

    Attributes:
        url: the submission prefix of c2sp.org/tlog-witness; None where it is not to be asked.
    """

    name: str
    verifier: NoteVerifier
    url: str | None = None

    @property
    def printed_name(self) -> str:
        """The name for people, what is not UTF-8 in it replaced."""
        return _printable(self.name)


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """At least ``threshold`` of ``members``, each the name of a witness or an earlier group."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """What a checkpoint needs in order to count.

    Names are opaque: bytes that are not UTF-8 stand in them as lone surrogates.

    Attributes:
        quorum: the witness or group that must have witnessed; None of ``quorum none``.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str | None

    @classmethod
    def parse(cls, content: bytes) -> LogPolicy:
        """Read a policy file.

        Raises:
            NoteError: the file breaks a rule of the specification, or has more than 32 logs,
                witnesses or groups; the message starts with the number of the line.
        """
        if len(content) > MAX_POLICY_BYTES:
            raise NoteError(f"a policy has at most {MAX_POLICY_BYTES} bytes", code="policy.limits")
        *lines, rest = content.split(b"\n")
        draft = _Draft()
        for number, line in enumerate(lines, 1):
            draft.read(number, line)
        if rest:
            raise _broken(len(lines) + 1, "syntax", "the line does not end in a newline")
        if not draft.has_quorum:
            raise NoteError(
                f"the policy has no quorum line: add {_SHAPES['quorum']}", code="policy.quorum"
            )
        return cls(
            tuple(draft.logs), tuple(draft.witnesses), tuple(draft.groups.values()), draft.quorum
        )

    @property
    def words(self) -> str:
        """The quorum for people: ``2 of north, south, east``, or ``none``."""
        groups = {group.name: group for group in self.groups}

        def name_of(member: str, *, is_inner: bool) -> str:
            group = groups.get(member)
            if group is None:
                return _printable(member)
            members = ", ".join(name_of(item, is_inner=True) for item in group.members)
            text = f"{group.threshold} of {members}"
            return f"({text})" if is_inner else text

        return NO_QUORUM if self.quorum is None else name_of(self.quorum, is_inner=False)

    def is_satisfied(self, cosigners: Iterable[NoteVerifier]) -> bool:
        """Say whether these keys, which cosigned one checkpoint, reach the quorum.

        Keys that are none of the policy's witnesses count for nothing, and no key twice.
        """
        if self.quorum is None:
            return True
        cosigned = set(cosigners)
        reached = {witness.name for witness in self.witnesses if witness.verifier in cosigned}
        # A group names only what stands before it.
        for group in self.groups:
            if sum(member in reached for member in group.members) >= group.threshold:
                reached.add(group.name)
        return self.quorum in reached

    def open_checkpoint(self, note: bytes) -> tuple[Checkpoint, OpenedNote]:
        """Return the checkpoint, if a listed log signed it and the quorum cosigned it.

        Raises:
            NoteError: malformed, of a log that is not listed or not signed by it, a signature of
                a listed log or witness that does not verify, or fewer cosignatures than needed.
        """
        origin = Checkpoint.from_text(parse_note(note).text).origin
        vkeys = [log.verifier.vkey for log in self.logs if log.verifier.name == origin]
        if not vkeys:
            raise NoteError(
                f"the checkpoint is of the log {origin[:200]}, which the policy does not list",
                code="policy.unknown_log",
            )
        checkpoint, opened = open_checkpoint(
            note, vkeys, [witness.verifier for witness in self.witnesses]
        )
        cosigners = {item.verifier for item in opened.signatures}
        if not self.is_satisfied(cosigners):
            present = [w.printed_name for w in self.witnesses if w.verifier in cosigners]
            found = ", ".join(present) or "none"
            raise NoteError(
                f"too few witnesses cosigned the checkpoint over {checkpoint.tree_size} entries: "
                f"needed {self.words}, found {found}",
                code="policy.quorum_not_reached",
            )
        return checkpoint, opened


@dataclass(slots=True)
class _Draft:
    """A policy while its lines are read."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: dict[str, PolicyGroup] = field(default_factory=dict)
    quorum: str | None = None
    has_quorum: bool = False
    defined: dict[str, int] = field(default_factory=dict)  # names, and the lines that define them
    member_of: dict[str, str] = field(default_factory=dict)

    def read(self, number: int, line: bytes) -> None:
        """Take in one line.

        Raises:
            NoteError: it breaks a rule.
        """
        forbidden = _FORBIDDEN.search(line)
        if forbidden:
            raise _broken(
                number,
                "charset",
                f"byte 0x{forbidden[0].hex()} at column {forbidden.start() + 1}: tab is the only "
                "control character inside a line",
            )
        words = [
            word.decode("utf-8", "surrogateescape")
            for word in line.replace(b"\t", b" ").split(b" ")
            if word
        ]
        if not words or words[0].startswith("#"):
            return
        readers: dict[str, Callable[[int, list[str]], None]] = {
            "log": self._read_log,
            "witness": self._read_witness,
            "group": self._read_group,
            "quorum": self._read_quorum,
        }
        keyword, *items = words
        if keyword not in readers:
            raise _broken(
                number,
                "syntax",
                f"a line starts with log, witness, group, quorum or #, not with {_shown(keyword)}",
            )
        readers[keyword](number, items)

    def _read_log(self, number: int, items: list[str]) -> None:
        _require_count(number, "log", items, 1, 2)
        verifier = _read_key(number, items[0], ED25519_TYPE, "a log")
        if any(log.verifier.public_key == verifier.public_key for log in self.logs):
            raise _broken(number, "duplicate", f"the key of {verifier.name} is a log's above")
        self.logs.append(PolicyLog(verifier, _url(items[1:])))
        _require_limit(number, len(self.logs), MAX_LOGS, "logs")

    def _read_witness(self, number: int, items: list[str]) -> None:
        _require_count(number, "witness", items, 2, 3)
        verifier = _read_key(number, items[1], COSIGNATURE_TYPE, "a witness")
        for other in self.witnesses:
            if other.verifier.public_key == verifier.public_key:
                raise _broken(
                    number,
                    "duplicate",
                    f"{_shown(items[0])} has the key of the witness {_shown(other.name)}",
                )
        self._define(number, items[0])
        self.witnesses.append(PolicyWitness(items[0], verifier, _url(items[2:])))
        _require_limit(number, len(self.witnesses), MAX_WITNESSES, "witnesses")

    def _read_group(self, number: int, items: list[str]) -> None:
        _require_count(number, "group", items, 3, None)
        name, needed, *members = items
        for member in members:
            self._require_defined(number, member)
            if member in self.member_of:
                raise _broken(
                    number,
                    "duplicate",
                    f"{_shown(member)} is already a member of {_shown(self.member_of[member])}: "
                    "each name is a member once",
                )
            self.member_of[member] = name
        self._define(number, name)
        counts = {"all": len(members), "any": 1}
        if needed not in counts and not _NUMBER.fullmatch(needed):
            raise _broken(
                number, "threshold", f"expected all, any or a number, found {_shown(needed)}"
            )
        threshold = counts[needed] if needed in counts else int(needed)
        if threshold > len(members):
            raise _broken(
                number, "threshold", f"{threshold} of {len(members)} members can never be reached"
            )
        self.groups[name] = PolicyGroup(name, threshold, tuple(members))
        _require_limit(number, len(self.groups), MAX_GROUPS, "groups")

    def _read_quorum(self, number: int, items: list[str]) -> None:
        _require_count(number, "quorum", items, 1, 1)
        if self.has_quorum:
            raise _broken(number, "quorum", "a policy has one quorum line, this is the second")
        if items[0] != NO_QUORUM:
            self._require_defined(number, items[0])
            self.quorum = items[0]
        self.has_quorum = True

    def _define(self, number: int, name: str) -> None:
        if name == NO_QUORUM:
            raise _broken(number, "name", "the name none is taken: it stands for no quorum")
        if name in self.defined:
            raise _broken(
                number, "duplicate", f"{_shown(name)} is defined on line {self.defined[name]}"
            )
        self.defined[name] = number

    def _require_defined(self, number: int, name: str) -> None:
        if name not in self.defined:
            raise _broken(
                number, "undefined", f"{_shown(name)} is no witness or group of a line above"
            )


def _read_key(number: int, vkey: str, kind: bytes, whose: str) -> NoteVerifier:
    try:
        verifier = parse_vkey(vkey)
    except (NoteError, UnicodeEncodeError) as error:
        reason = error.message if isinstance(error, NoteError) else "its name is not UTF-8"
        raise _broken(number, "key", f"not a verifier key: {reason}") from error
    if verifier.kind != kind:
        raise _broken(
            number,
            "key",
            f"the key of {whose} is of type 0x{kind.hex()}, this one 0x{verifier.kind.hex()}",
        )
    return verifier


def _url(items: list[str]) -> str | None:
    return items[0] if items else None


def _require_count(
    number: int, keyword: str, items: list[str], least: int, most: int | None
) -> None:
    if len(items) < least or (most is not None and len(items) > most):
        raise _broken(number, "syntax", f"expected {_SHAPES[keyword]}, found {len(items)} items")


def _require_limit(number: int, count: int, most: int, what: str) -> None:
    if count > most:
        raise _broken(number, "limits", f"a policy has at most {most} {what}")


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _shown(name: str) -> str:
    return repr(_printable(name)[:80])


def _broken(number: int, cause: str, message: str) -> NoteError:
    return NoteError(f"line {number}: {message}", code=f"policy.{cause}")
