"""Entries that were carried out of the log: their proofs, the keys among them, their signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from muniment.attest.bundle import LoggedEntry
from muniment.attest.checkpoint import Checkpoint
from muniment.verify.errors import ReportError
from muniment.verify.findings import Findings, counted, known
from muniment.verify.log import (
    EnrolledKeys,
    ProvenEntry,
    enrolled_keys,
    prove_entry,
    require_readable_statements,
    verify_statement_entry,
)


class Carried(Protocol):
    """What carries entries under one checkpoint: a report's evidence, or a bundle."""

    @property
    def checkpoint(self) -> bytes: ...
    @property
    def entries(self) -> Sequence[LoggedEntry]: ...


def look_at_entries(
    findings: Findings, carrier: Carried | None, checkpoint: Checkpoint | None
) -> list[ProvenEntry] | None:
    """Find out whether every entry stands in the log; return them if all do."""
    with findings.look_at(
        "log.inclusion", "Every embedded statement stands in the log under that checkpoint"
    ) as note:
        tree = known(checkpoint, "the checkpoint")
        carried = known(carrier, "the evidence")
        if not carried.entries:
            raise ReportError("there is no log entry in it", code="report.no_entries")
        proven = [prove_entry(entry, tree, carried.checkpoint) for entry in carried.entries]
        note.detail = counted(len(proven), "inclusion proof")
        return proven
    return None


def look_at_keys(findings: Findings, proven: list[ProvenEntry] | None) -> EnrolledKeys | None:
    """Find out whether the entries enrol their keys; return these if so."""
    with findings.look_at("log.keys", "The keys in use are enrolled in the log") as note:
        keys = enrolled_keys(known(proven, "the log entries"))
        note.detail = ", ".join(f"{key.use} {key.keyid[:16]}…" for key in keys.by_keyid.values())
        return keys
    return None


def look_at_statements(
    findings: Findings, proven: list[ProvenEntry] | None, keys: EnrolledKeys | None
) -> bool:
    """Find out whether the entries are signed, readable statements; say whether all are."""
    with findings.look_at(
        "statements.signatures",
        "Every statement is signed by an enrolled key that may sign its type",
    ) as note:
        enrolled = known(keys, "the keys")
        signers = {verify_statement_entry(entry, enrolled) for entry in known(proven, "entries")}
        note.detail = f"signed by {', '.join(f'{keyid[:16]}…' for keyid in sorted(signers))}"
    are_signed = findings.made[-1].holds
    with findings.look_at("statements.shape", "Every statement has the shape of its type") as note:
        count = require_readable_statements(known(proven, "the log entries"))
        note.detail = counted(count, "statement")
    return are_signed and findings.made[-1].holds
