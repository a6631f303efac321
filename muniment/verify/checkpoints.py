"""Checkpoints against one another: do they belong to one history of one log?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from muniment.attest.checkpoint import Checkpoint
from muniment.attest.http_log import open_source
from muniment.attest.log_source import LogSource
from muniment.attest.merkle import verify_consistency
from muniment.verify.errors import LogError
from muniment.verify.findings import Findings, Verification, counted, known
from muniment.verify.trust import LogTrust
from muniment.verify.whole_log import LogQuestion

ONLY_HEADS: Final = (
    "What the entries say, and whether there are any: checkpoints are heads of the log. Give the "
    "log itself, as a folder or an address, to have every entry looked at."
)
LATER: Final = (
    "Whether the log signed a different history for others, or left out what came after the "
    "larger of the two: an omitted tail shows in the log itself."
)


def verify_checkpoints(
    names: Sequence[str],
    notes: Sequence[bytes],
    trust: LogTrust,
    *,
    log: LogQuestion | None = None,
) -> Verification:
    """Look at two checkpoints and say whether the larger tree begins with the smaller.

    Args:
        names: of the two files, for people.
        log: where the hashes for a consistency proof are read, if the sizes differ.
    """
    findings = Findings()
    opened: list[Checkpoint] = []
    for place, (name, note) in enumerate(zip(names, notes, strict=True), 1):
        with findings.look_at(f"checkpoint.{place}", f"A trusted key signed {name}") as look:
            checkpoint, look.detail = trust.open_checkpoint(note)
            opened.append(checkpoint)
    pair = sorted(opened, key=lambda item: item.tree_size) if len(opened) == 2 else None
    with findings.look_at("checkpoints.origin", "Both are of one log") as look:
        first, second = known(pair, "both checkpoints")
        if first.origin != second.origin:
            raise LogError(
                f"one is of {first.origin}, the other of {second.origin}", code="log.origin"
            )
        look.detail = first.origin
    pair = pair if findings.made[-1].holds else None
    if log is None:
        _compare_alone(findings, pair)
    else:
        _compare_in_log(findings, pair, trust, log)
    facts: dict[str, object] = {}
    if pair is not None:
        facts = {"origin": pair[0].origin, "tree_sizes": [item.tree_size for item in pair]}
    return Verification(
        " ".join(names),
        tuple(findings.made),
        (ONLY_HEADS, LATER),
        facts,
        kind="checkpoints",
        log=None if log is None else log.place,
    )


def _compare_alone(findings: Findings, pair: Sequence[Checkpoint] | None) -> None:
    with findings.look_at("checkpoints.consistent", "Both are of one history") as look:
        older, newer = known(pair, "both checkpoints")
        if older.tree_size != newer.tree_size:
            raise LogError(
                f"they are over {older.tree_size} and {newer.tree_size} entries, and only the "
                "log's tiles show whether one continues the other: give the log's folder or "
                "address as --log",
                code="checkpoints.need_log",
            )
        look.detail = _require_same_root(older, newer)


def _compare_in_log(
    findings: Findings, pair: Sequence[Checkpoint] | None, trust: LogTrust, log: LogQuestion
) -> None:
    source: LogSource | None = None
    head: Checkpoint | None = None
    with findings.look_at("log.head", "A trusted key signed the log's newest checkpoint") as look:
        source = open_source(log.place, log.environment)
        head, look.detail = trust.open_checkpoint(source.checkpoint())
    with findings.look_at("checkpoints.consistent", "Both are of one history") as look:
        older, newer = known(pair, "both checkpoints")
        if older.tree_size == newer.tree_size:
            look.detail = _require_same_root(older, newer)
        else:
            look.detail = _require_prefix(
                older, newer, known(source, "the log"), known(head, "the log's checkpoint")
            )
    with findings.look_at(
        "log.continues", "The log begins with the tree that the larger one signs"
    ) as look:
        newest = known(head, "the log's checkpoint")
        _, newer = known(pair, "both checkpoints")
        look.detail = _require_prefix(newer, newest, known(source, "the log"), newest)


def _require_same_root(first: Checkpoint, second: Checkpoint) -> str:
    if first.root_hash != second.root_hash:
        raise LogError(
            f"fork: the log signed two different trees of {first.tree_size} entries. Keep both "
            "files: together they prove it",
            code="log.fork",
        )
    return f"both are over the same {first.tree_size} entries"


def _require_prefix(
    older: Checkpoint, newer: Checkpoint, source: LogSource, head: Checkpoint
) -> str:
    if older.origin != newer.origin:
        raise LogError(f"the log at {source.name} is {newer.origin}", code="log.origin")
    largest = max(older.tree_size, newer.tree_size)
    if largest > head.tree_size:
        raise LogError(
            f"omitted tail: a checkpoint was signed over {largest} entries, the log shows "
            f"{head.tree_size}",
            code="log.omitted_tail",
        )
    proof = source.reader(newer.tree_size, head.tree_size).consistency_proof(older.tree_size)
    verify_consistency(older.tree_size, newer.tree_size, older.root_hash, newer.root_hash, proof)
    return (
        f"the first {older.tree_size} of {newer.tree_size} entries are the same, by a consistency "
        f"proof of {counted(len(proof), 'hash', 'hashes')}"
    )
