"""One entry of the log: a bundle, or an envelope with its inclusion proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from muniment.attest.bundle import Bundle, LoggedEntry, parse_bundle
from muniment.attest.checkpoint import Checkpoint
from muniment.attest.proof import TlogProof
from muniment.verify.entries import look_at_entries, look_at_keys, look_at_statements
from muniment.verify.findings import Findings, Verification, counted, known
from muniment.verify.log import ProvenEntry, require_readable_statements
from muniment.verify.trust import LogTrust
from muniment.verify.whole_log import Kept, LogLook, LogQuestion, look_at_log

TRUE_WORDS: Final = (
    "Whether what the statement says is true: the log shows who said what, and where."
)
REST_OF_STREAM: Final = (
    "What else was said about the same model, before and after, and whether an omitted tail "
    "follows: this is one statement. Give the log as --log."
)
OTHER_VIEWS: Final = (
    "Whether the log showed others a different history: keep the checkpoint, and ask the log for "
    "a consistency proof from it."
)
SIGNER_UNKNOWN: Final = (
    "Who signed the statement: the two files do not hold the log's key statements. Give a bundle, "
    "or the log as --log."
)


def verify_bundle(
    name: str,
    content: bytes,
    trust: LogTrust,
    *,
    log: LogQuestion | None = None,
    kept: Sequence[Kept] = (),
) -> Verification:
    """Look at everything a bundle claims and say what holds.

    Args:
        name: of the file, for people.
        log: a whole log that it is held against.
        kept: further checkpoints that the log must begin with.
    """
    return _verify("bundle", name, lambda: parse_bundle(content), trust, log, kept)


def verify_entry(
    name: str,
    envelope: bytes,
    proof: bytes,
    trust: LogTrust,
    *,
    log: LogQuestion | None = None,
    kept: Sequence[Kept] = (),
) -> Verification:
    """Look at an envelope and its ``c2sp.org/tlog-proof@v1`` and say what holds.

    Args:
        name, log, kept: as for ``verify_bundle``.
    """

    def read() -> Bundle:
        parsed = TlogProof.parse(proof)
        entry = LoggedEntry(parsed.leaf_index, envelope, proof.decode())
        return Bundle(parsed.checkpoint, (entry,))

    return _verify("entry", name, read, trust, log, kept)


def _verify(
    kind: str,
    name: str,
    read: Callable[[], Bundle],
    trust: LogTrust,
    log: LogQuestion | None,
    kept: Sequence[Kept],
) -> Verification:
    findings = Findings()
    bundle: Bundle | None = None
    checkpoint: Checkpoint | None = None
    what = "The bundle" if kind == "bundle" else "The proof"
    with findings.look_at(f"{kind}.format", f"{what} can be read") as note:
        bundle = read()
        note.detail = (
            f"leaf {bundle.entries[0].leaf_index}, "
            f"{counted(len(bundle.entries), 'entry', 'entries')} in all"
        )
    with findings.look_at("log.checkpoint", "The log's key signed the checkpoint") as note:
        checkpoint, note.detail = trust.open_checkpoint(known(bundle, what.lower()).checkpoint)
    proven = look_at_entries(findings, bundle, checkpoint)
    limits = [TRUE_WORDS]
    if kind == "bundle":
        keys = look_at_keys(findings, proven)
        look_at_statements(findings, proven, keys)
    else:
        with findings.look_at(
            "statements.shape", "The entry is a statement and has the shape of its type"
        ):
            require_readable_statements(known(proven, "the inclusion"))
        if log is None:
            limits.append(SIGNER_UNKNOWN)
    facts = _facts(proven[0], checkpoint) if proven and checkpoint is not None else {}
    if log is None:
        limits += [REST_OF_STREAM, OTHER_VIEWS]
    else:
        own = [] if bundle is None else [_own_checkpoint(kind, bundle)]
        stream = facts.get("stream")
        watch = stream if isinstance(stream, str) else None
        look = look_at_log(findings, log, trust, [*own, *kept], watch)
        limits += [*look.limits, *_others(look, watch)]
    return Verification(
        name,
        tuple(findings.made),
        tuple(limits),
        facts,
        kind=kind,
        log=None if log is None else log.place,
    )


def _own_checkpoint(kind: str, bundle: Bundle) -> Kept:
    name = "the bundle's checkpoint" if kind == "bundle" else "the proof's checkpoint"
    return Kept("log.continues", name, bundle.checkpoint)


def _others(look: LogLook, stream: str | None) -> list[str]:
    if look.statements is None or stream is None:
        return []
    count = len(look.statements.watched)
    return [f"What the stream says as a whole: this is one of the {count} statements of {stream}."]


def _facts(entry: ProvenEntry, checkpoint: Checkpoint) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "origin": checkpoint.origin,
        "tree_size": checkpoint.tree_size,
        "leaf_index": entry.leaf_index,
        "sha256": entry.sha256,
    }
    statement = entry.statement
    if statement is None:
        return facts
    facts |= {
        "predicate_type": statement.predicate_type,
        "subject": statement.subjects[0].name,
        "event": statement.predicate.get("event"),
        "at": statement.predicate.get("at"),
    }
    if statement.position is not None:
        facts |= {
            "stream": statement.position.stream,
            "stream_seq": statement.position.stream_seq,
        }
    return facts
