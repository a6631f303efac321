"""A whole log: every tile, every entry, the root; then what the entries say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from muniment.attest.checkpoint import Checkpoint
from muniment.attest.errors import AttestError
from muniment.attest.http_log import open_source
from muniment.attest.log_source import LogSource
from muniment.verify.errors import LogError
from muniment.verify.findings import Findings, Verification, counted, known
from muniment.verify.log_earlier import EarlierCheckpoints, require_prefix
from muniment.verify.log_hashes import HashedLog, TakeProgress, check_hashes
from muniment.verify.log_statements import LogStatements
from muniment.verify.trust import LogTrust

__all__ = ["Kept", "LogLook", "LogQuestion", "check_hashes", "look_at_log", "verify_log"]

TRUE_WORDS: Final = (
    "Whether what the statements say is true: the log shows who said what, in which order."
)
OTHER_VIEWS: Final = (
    "Whether the log showed others a different history: ask for a policy with witnesses "
    "(--policy), or compare checkpoints with somebody else's."
)
OMITTED_TAIL: Final = (
    "Whether the log left out its last entries: give a checkpoint that you kept as --checkpoint, "
    "which would show an omitted tail of what was there then."
)
HASHES_ONLY: Final = (
    "Whether the entries are signed statements and their streams are whole: --hashes-only left "
    "that out."
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that must be the head of a prefix of the log.

    Attributes:
        finding: the id of what is found.
        name: for people, such as ``the report's checkpoint``.
        note: the signed note's exact bytes.
    """

    finding: str
    name: str
    note: bytes


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """What an auditor asks of a log.

    Attributes:
        place: a folder, or an http(s) address.
        environment: see ``open_source``.
        tsa_ca: PEM certificates of the timestamp authorities; None leaves timestamps out.
        hashes_only: leave out what the entries say.
        on_progress: see ``check_hashes``.
    """

    place: str
    environment: Mapping[str, str] = field(default_factory=dict)
    tsa_ca: bytes | None = None
    hashes_only: bool = False
    on_progress: TakeProgress | None = None


@dataclass(frozen=True, slots=True)
class LogLook:
    """What was seen of a log; it counts only where every finding holds.

    Attributes:
        head: its checkpoint; None where that does not count.
        statements: None where they were not looked at, or the tiles did not hold.
        limits: what this cannot show, a sentence each.
    """

    head: Checkpoint | None
    statements: LogStatements | None
    limits: tuple[str, ...]


def verify_log(question: LogQuestion, trust: LogTrust, kept: Sequence[Kept] = ()) -> Verification:
    """Look at a whole log and say what holds.

    Args:
        kept: checkpoints that the auditor kept, of any age.
    """
    findings = Findings()
    look = look_at_log(findings, question, trust, kept)
    facts: dict[str, object] = {}
    if look.head is not None:
        facts = {
            "origin": look.head.origin,
            "tree_size": look.head.tree_size,
            "root_hash": look.head.root_hash.hex(),
        }
    if look.statements is not None:
        facts |= {"streams": len(look.statements.heads.lengths)}
    return Verification(
        question.place,
        tuple(findings.made),
        (TRUE_WORDS, *look.limits),
        facts,
        kind="log",
        log=question.place,
    )


def look_at_log(
    findings: Findings,
    question: LogQuestion,
    trust: LogTrust,
    kept: Sequence[Kept],
    watch: str | None = None,
) -> LogLook:
    """Add what is found of a whole log.

    Args:
        watch: a stream whose statements are to be remembered.
    """
    source: LogSource | None = None
    head: Checkpoint | None = None
    with findings.look_at("log.head", "A trusted key signed the log's newest checkpoint") as note:
        source = open_source(question.place, question.environment)
        head, note.detail = _open_head(source, trust)
    opened = [(item, _open_kept(item, trust)) for item in kept]
    earlier = EarlierCheckpoints(source, trust)
    earlier.read()
    sizes = [item.tree_size for _, item in opened if isinstance(item, Checkpoint)]
    statements = None if question.hashes_only else LogStatements(watch)
    hashed = _look_at_tiles(findings, question, source, head, [*sizes, *earlier.roots], statements)
    if statements is not None:
        _look_at_statements(findings, statements, is_hashed=hashed is not None)
    for item, checkpoint in opened:
        with findings.look_at(item.finding, f"The log begins with what {item.name} signs") as note:
            if isinstance(checkpoint, AttestError):
                raise checkpoint
            note.detail = require_prefix(item.name, checkpoint, head, hashed)
    limits = []
    if not trust.demands_witnesses:
        limits.append(OTHER_VIEWS)
    if not kept:
        limits.append(OMITTED_TAIL)
    if question.hashes_only:
        limits.append(HASHES_ONLY)
    limits += earlier.look(findings, question.tsa_ca, head, hashed)
    return LogLook(head, None if hashed is None else statements, tuple(limits))


def _look_at_tiles(
    findings: Findings,
    question: LogQuestion,
    source: LogSource | None,
    head: Checkpoint | None,
    sizes: Sequence[int],
    statements: LogStatements | None,
) -> HashedLog | None:
    with findings.look_at(
        "log.tiles", "Every entry and every tile hashes to the root that the checkpoint signs"
    ) as note:
        checkpoint = known(head, "the log's checkpoint")
        hashed = check_hashes(
            known(source, "the log"),
            checkpoint,
            sizes=[size for size in sizes if size <= checkpoint.tree_size],
            on_entries=None if statements is None else statements.take,
            on_progress=question.on_progress,
        )
        note.detail = (
            f"{counted(hashed.tree_size, 'entry', 'entries')} in "
            f"{counted(hashed.bundles, 'bundle')}, {counted(hashed.tiles, 'tile')} of hashes, root "
            f"{checkpoint.root_hash.hex()[:16]}…"
        )
        return hashed
    return None


def _look_at_statements(findings: Findings, said: LogStatements, *, is_hashed: bool) -> None:
    hashed = True if is_hashed else None
    with findings.look_at(
        "log.enrolments", "The log's own entries enrol its keys, each by a key enrolled before"
    ) as note:
        known(hashed, "the tiles")
        said.require_keys()
        keys = said.enrolled.by_keyid.values()
        note.detail = ", ".join(f"{key.use} {key.keyid[:16]}…" for key in keys)
    with findings.look_at(
        "log.signatures", "Every entry is a statement, signed by an enrolled key that may sign it"
    ) as note:
        known(hashed, "the tiles")
        said.signatures.require_none()
        note.detail = f"{counted(said.count, 'statement')}, by {counted(len(said.signers), 'key')}"
    with findings.look_at("log.shapes", "Every statement has the shape of its type") as note:
        known(hashed, "the tiles")
        said.shapes.require_none()
    with findings.look_at(
        "log.streams", "Every model's statements follow one another without a gap or a fork"
    ) as note:
        known(hashed, "the tiles")
        said.streams.require_none()
        lengths = said.heads.lengths
        note.detail = (
            f"{counted(sum(lengths.values()), 'statement')} in {counted(len(lengths), 'stream')}"
        )


def _open_head(source: LogSource, trust: LogTrust) -> tuple[Checkpoint, str]:
    content = source.checkpoint()
    try:
        return trust.open_checkpoint(content)
    except AttestError as error:
        raise LogError(f"checkpoint: {error.message}", code=error.code) from error


def _open_kept(item: Kept, trust: LogTrust) -> Checkpoint | AttestError:
    try:
        return trust.open_earlier(item.note)
    except AttestError as error:
        return LogError(f"{item.name}: {error.message}", code=error.code)
