"""``muniment verify``: what was given looked at, in words."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from muniment.cli import UsageError
from muniment.cli.output import Progress, print_json, printable, say
from muniment.cli.trust import own_file, trust_of

if TYPE_CHECKING:
    from muniment.verify import LogTrust, Verification

_SUBJECTS = {
    "report": "This report",
    "bundle": "This bundle",
    "entry": "This entry",
    "checkpoints": "These checkpoints",
    "log": "This log",
}
_OF_LOGS = (
    ("checkpoint", "--checkpoint"),
    ("tsa_ca", "--tsa-ca"),
    ("hashes_only", "--hashes-only"),
)


def run(options: Namespace) -> int:
    """Print what was looked at; return 0 only if all of it holds, else 1.

    Keys come from ``--vkey`` or ``--policy``, else from the installation at ``MUNIMENT_HOME``, and
    never from what is verified.

    Raises:
        UsageError: options that do not go together, a key, policy or file of the auditor's own
            that cannot be read, or no key at all.
    """
    from muniment.verify import GivenError, LogQuestion, recognise, verify_given

    trust, origin = trust_of(options)
    kept = [(name, own_file(options, name, "--checkpoint")) for name in options.checkpoint]
    tsa_ca = None if options.tsa_ca is None else own_file(options, options.tsa_ca, "--tsa-ca")
    try:
        given = recognise(options.things)
    except GivenError as error:
        return _show(_unknown(options.things, error), trust, origin, as_json=options.json)
    _require_fitting(options, given.kind)
    place = given.places[0] if given.kind == "log" else options.log
    with Progress("muniment verify: entries") as progress:
        log = (
            None
            if place is None
            else LogQuestion(place, os.environ, tsa_ca, options.hashes_only, progress.tell)
        )
        verification = verify_given(given, trust, ca=options.ca, log=log, kept=kept)
    return _show(verification, trust, origin, as_json=options.json)


def _show(verification: Verification, trust: LogTrust, origin: str, *, as_json: bool) -> int:
    status = 0 if verification.holds else 1
    if as_json:
        keys = {"vkey": trust.vkeys[0], "vkeys": list(trust.vkeys), "vkey_from": origin}
        print_json({**verification.as_mapping(), **keys})
        return status
    say(printable(verification.file))
    if verification.log not in (None, verification.file):
        say(f"  held against the log {printable(verification.log)}")
    if origin not in ("--vkey", "--policy"):
        say(
            f"  No --vkey was given; the log's key is {printable(trust.vkeys[0])}, from "
            f"{printable(origin)}."
        )
    for finding in verification.findings:
        say(f"  {'ok    ' if finding.holds else 'FAILED'}  {printable(finding.title)}")
        if finding.detail:
            say(f"          {printable(finding.detail)}")
    subject = _SUBJECTS.get(verification.kind, "This")
    if verification.limits:
        with_log = "" if verification.log in (None, verification.file) else " with this log"
        say(f"{subject}{with_log or ' alone'} cannot show:")
    for limit in verification.limits:
        say(f"  -  {printable(limit)}")
    if verification.holds and "leaf_index" in verification.facts:
        say(_said(verification.facts))
    failed = sum(not finding.holds for finding in verification.findings)
    say(
        "All of it holds."
        if verification.holds
        else f"DO NOT RELY ON {subject.upper()}: {failed} of {len(verification.findings)} failed."
    )
    return status


def _said(facts: Mapping[str, object]) -> str:
    """Return in words which statement it was; only what was proven is told."""
    what = facts.get("event") or facts.get("predicate_type")
    place = f"Leaf {facts['leaf_index']} of {facts['origin']}"
    of_stream = ""
    if "stream_seq" in facts:
        of_stream = f", number {facts['stream_seq']} of its stream"
    at = f", at {facts['at']}" if facts.get("at") else ""
    return printable(f"{place} says {what} about {facts.get('subject')}{of_stream}{at}.")


def _unknown(things: Sequence[str], error: Exception) -> Verification:
    from muniment.verify import Finding, GivenError, Verification

    code = error.code if isinstance(error, GivenError) else None
    finding = Finding("given.kind", "It is something to verify", False, str(error), code)
    return Verification(" ".join(things), (finding,), (), {}, kind="unknown")


def _require_fitting(options: Namespace, kind: str) -> None:
    if kind == "log" and options.log is not None:
        raise UsageError("muniment verify: --log is for what is held against a log, not for a log")
    if kind != "report" and options.ca is not None:
        raise UsageError("muniment verify: --ca is for reports")
    is_whole = kind == "log" or (options.log is not None and kind != "checkpoints")
    for name, option in _OF_LOGS:
        if getattr(options, name) and not is_whole:
            raise UsageError(f"muniment verify: {option} is for a whole log: give one, or --log")
