"""Reads of the log, of evidence and of reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from django.db.models import QuerySet

from audits.independent import witness_policy
from audits.log_tree import tree_reader
from audits.models import Evidence, Job, LogCheckpoint, LogEntry, LogLeaf, Report
from muniment.attest.envelope import parse_envelope
from muniment.attest.errors import NoteError
from muniment.attest.log_policy import LogPolicy
from muniment.attest.note import add_signatures
from muniment.attest.proof import format_proof
from muniment.attest.statement import Statement, parse_statement

# How far back a checkpoint is looked for that reaches today's quorum.
_MOST_REFUSED: Final = 20


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry, its place, and the proof that it stands under a signed checkpoint."""

    entry: LogEntry
    leaf_index: int
    proof: bytes


def latest_checkpoint() -> LogCheckpoint | None:
    """Return the newest signed tree head that may be handed out, or None before the first.

    Where the policy on witnesses asks for a quorum, that is the newest that reached it. Its note
    carries the cosignatures that there are.

    Raises:
        SettingsRefused: there is a policy on witnesses that cannot be followed.
    """
    policy = witness_policy()
    checkpoints = LogCheckpoint.objects.order_by("-tree_size")
    if policy is None:
        return checkpoints.first()
    if policy.quorum is not None:
        checkpoints = checkpoints.filter(publication__isnull=False)
    # Held to the policy of today; one that was made stricter may leave out the newest. Whoever can
    # write to the database does not get past the witnesses by that.
    for checkpoint in checkpoints[:_MOST_REFUSED]:
        try:
            checkpoint.note = cosigned_note(checkpoint, policy)
            _require_quorum(policy, checkpoint.note)
        except NoteError:
            continue
        return checkpoint
    return None


def cosigned_note(checkpoint: LogCheckpoint, policy: LogPolicy) -> bytes:
    """Return a checkpoint's note with the stored cosignatures of the policy's witnesses.

    Raises:
        NoteError: what is stored are no signature lines.
    """
    lines = dict(checkpoint.cosignatures.values_list("vkey", "line"))
    vkeys = [witness.verifier.vkey for witness in policy.witnesses]
    return add_signatures(bytes(checkpoint.note), [lines[vkey] for vkey in vkeys if vkey in lines])


@lru_cache(maxsize=64)
def _require_quorum(policy: LogPolicy, note: bytes) -> None:
    policy.open_checkpoint(note)


def prove_entries(entries: Iterable[LogEntry], checkpoint: LogCheckpoint) -> list[ProvenEntry]:
    """Prove those of `entries` that stand under `checkpoint`, in leaf order; pending ones drop out.

    Each proof is a `c2sp.org/tlog-proof@v1` text.
    """
    indices = {
        leaf.entry_id: leaf.leaf_index
        for leaf in LogLeaf.objects.filter(
            entry__in=[entry.pk for entry in entries], leaf_index__lt=checkpoint.tree_size
        )
    }
    reader = tree_reader(checkpoint.tree_size)
    proven = [
        ProvenEntry(
            entry=entry,
            leaf_index=indices[entry.pk],
            proof=format_proof(
                indices[entry.pk],
                reader.inclusion_proof(indices[entry.pk]),
                bytes(checkpoint.note),
            ),
        )
        for entry in entries
        if entry.pk in indices
    ]
    return sorted(proven, key=lambda item: item.leaf_index)


def stream_entries(stream: str) -> QuerySet[LogEntry]:
    """Return everything said about one registered model, in order."""
    return LogEntry.objects.filter(stream=stream).order_by("stream_seq")


def current_evidence(version_uri: str) -> list[Evidence]:
    """Return the evidence of each kind about a version that counts: the newer supersedes the older.

    What was reported never supersedes what Muniment computed about the same bytes.
    """
    # One of each, whatever their number: the bodies are large.
    newest = (
        Evidence.objects.filter(version_uri=version_uri)
        .order_by("kind", "origin", "-entry_id")
        .distinct("kind", "origin")
        .select_related("entry__leaf")
    )
    counting: dict[str, Evidence] = {}
    for item in sorted(newest, key=lambda one: one.entry_id):
        held = counting.get(item.kind)
        if held is None or not _outranks(held, item):
            counting[item.kind] = item
    return [counting[kind] for kind in sorted(counting)]


def _outranks(held: Evidence, newer: Evidence) -> bool:
    return (
        held.origin == "computed"
        and newer.origin != "computed"
        and held.subject_digest == newer.subject_digest
    )


def origin_of(evidence: Evidence) -> str:
    """Return whose finding it is; empty where it failed before anything was read."""
    failed_unread = evidence.conclusion == "error" and not evidence.inputs
    return "" if failed_unread else str(evidence.origin)


def open_jobs(version_uri: str) -> QuerySet[Job]:
    """Return the work that is queued or running for a version."""
    return Job.objects.filter(
        version_uri=version_uri, status__in=[Job.Status.QUEUED, Job.Status.RUNNING]
    )


def latest_report(version_uri: str) -> Report | None:
    """Return the newest signed report of a version, or None."""
    return Report.objects.filter(version_uri=version_uri).order_by("-issued_at").first()


def decoded_statement(entry: LogEntry) -> Statement:
    """Return what an entry states, read from its exact bytes."""
    return parse_statement(parse_envelope(bytes(entry.envelope)).payload)
