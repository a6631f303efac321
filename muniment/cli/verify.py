"""``muniment verify``: a report looked at, in words."""

from __future__ import annotations

from muniment.cli import UsageError
from muniment.cli.output import print_json, printable, say


def run(file: str, *, vkey: str, ca: str | None, as_json: bool) -> int:
    """Print what was looked at; return 0 only if all of it holds, else 1.

    Raises:
        UsageError: ``vkey`` is not a verifier key.
    """
    from muniment.attest.errors import NoteError
    from muniment.attest.note import parse_vkey
    from muniment.verify import verify_report

    try:
        parse_vkey(vkey)
    except NoteError as error:
        raise UsageError(f"muniment verify: --vkey: {error.message}") from error
    verification = verify_report(file, vkey, ca)
    if as_json:
        print_json(verification.as_mapping())
        return 0 if verification.holds else 1
    say(f"{printable(file)}")
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
