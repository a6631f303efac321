"""``muniment verify``: a report looked at, in words."""

from __future__ import annotations

import os
from pathlib import Path

from muniment.cli import UsageError
from muniment.cli.output import print_json, printable, say


def run(file: str, *, vkey: str | None, ca: str | None, as_json: bool) -> int:
    """Print what was looked at; return 0 only if all of it holds, else 1.

    Args:
        vkey: the log's verifier key; without one, that of the installation at ``MUNIMENT_HOME``,
            and never one from the report.

    Raises:
        UsageError: ``vkey`` is not a verifier key, or there is none.
    """
    from muniment.attest.errors import NoteError
    from muniment.attest.note import parse_vkey
    from muniment.verify import verify_report

    vkey, origin = (vkey, "--vkey") if vkey is not None else _installed_vkey()
    try:
        parse_vkey(vkey)
    except NoteError as error:
        raise UsageError(f"muniment verify: {origin}: {error.message}") from error
    verification = verify_report(file, vkey, ca)
    if as_json:
        print_json({**verification.as_mapping(), "vkey": vkey, "vkey_from": origin})
        return 0 if verification.holds else 1
    say(f"{printable(file)}")
    if origin != "--vkey":
        say(f"  No --vkey was given; the log's key is {printable(vkey)}, from {printable(origin)}.")
    for finding in verification.findings:
        say(f"  {'ok    ' if finding.holds else 'FAILED'}  {printable(finding.title)}")
        if finding.detail:
            say(f"          {printable(finding.detail)}")
    say("This report alone cannot show:")
    for limit in verification.limits:
        say(f"  -  {limit}")
    failed = sum(not finding.holds for finding in verification.findings)
    say(
        "All of it holds."
        if verification.holds
        else f"DO NOT RELY ON THIS REPORT: {failed} of {len(verification.findings)} failed."
    )
    return 0 if verification.holds else 1


def _installed_vkey() -> tuple[str, str]:
    """Return the key of the log that runs here, and the file that says so."""
    home = os.environ.get("MUNIMENT_HOME")
    if not home:
        raise UsageError(
            "muniment verify: give the log's verifier key as --vkey, from anywhere but the report "
            "(where Muniment runs, MUNIMENT_HOME is enough)"
        )
    from muniment.attest.errors import AttestError
    from muniment.attest.keyring import Keyring

    path = Path(home, "keys", "keyring.json")
    try:
        return Keyring.load(path).log.vkey, str(path)
    except AttestError as error:
        raise UsageError(f"muniment verify: no --vkey was given, and {error.message}") from error
