"""The auditor's verifier: nothing trusted but the log's key, and no network but a log's address."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from muniment.verify.bundle import verify_bundle, verify_entry
from muniment.verify.checkpoints import verify_checkpoints
from muniment.verify.errors import GivenError
from muniment.verify.findings import Finding, Verification
from muniment.verify.given import BUNDLE, CHECKPOINTS, ENTRY, LOG, Given, recognise
from muniment.verify.report import verify_report
from muniment.verify.trust import LogTrust
from muniment.verify.whole_log import Kept, LogQuestion, verify_log

__all__ = [
    "Finding",
    "Given",
    "GivenError",
    "LogQuestion",
    "LogTrust",
    "Verification",
    "recognise",
    "verify_given",
    "verify_report",
]


def verify_given(
    given: Given,
    trust: LogTrust,
    *,
    ca: str | Path | None = None,
    log: LogQuestion | None = None,
    kept: Sequence[tuple[str, bytes]] = (),
) -> Verification:
    """Look at everything that was given and say what holds.

    Args:
        ca: see ``verify_report``.
        log: the log itself, if that was given; else a log that the rest is held against.
        kept: names and notes of checkpoints that the log must begin with.
    """
    checkpoints = [Kept("log.kept", name, note) for name, note in kept]
    if given.kind == LOG:
        return verify_log(log or LogQuestion(given.places[0]), trust, checkpoints)
    if given.kind == CHECKPOINTS:
        return verify_checkpoints(given.places, given.contents, trust, log=log)
    if given.kind == BUNDLE:
        return verify_bundle(given.places[0], given.contents[0], trust, log=log, kept=checkpoints)
    if given.kind == ENTRY:
        envelope, proof = given.contents
        return verify_entry(
            " ".join(given.places), envelope, proof, trust, log=log, kept=checkpoints
        )
    return verify_report(given.places[0], trust, ca, log=log, kept=checkpoints)
