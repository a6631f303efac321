"""Reads of the log, of evidence and of reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from audits.log_tree import tree_reader
from audits.models import Evidence, Job, LogCheckpoint, LogEntry, LogLeaf, Report
from muniment.attest.envelope import parse_envelope
from muniment.attest.proof import format_proof
from muniment.attest.statement import Statement, parse_statement


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry, its place, and the proof that it stands under a signed checkpoint."""

    entry: LogEntry
    leaf_index: int
    proof: bytes


def latest_checkpoint() -> LogCheckpoint | None:
    """Return the newest signed tree head, or None before the first."""
    return LogCheckpoint.objects.order_by("-tree_size").first()


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


def pending_entries() -> QuerySet[LogEntry]:
    """Return the entries that no checkpoint covers yet."""
    return LogEntry.objects.filter(leaf__isnull=True)


def current_evidence(version_uri: str) -> list[Evidence]:
    """Return the newest evidence of each kind about a version; the newer supersedes the older."""
    rows = Evidence.objects.filter(version_uri=version_uri).select_related("entry__leaf")
    return list(rows.order_by("kind", "-produced_at", "-entry_id").distinct("kind"))


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
