"""``muniment admit``: whether a folder is the model that was promoted, in words."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from muniment.cli import UsageError
from muniment.cli.output import print_json, printable, say
from muniment.cli.trust import own_file, trust_of

if TYPE_CHECKING:
    from muniment.verify import Verification


def run(options: Namespace) -> int:
    """Print what was looked at; return 0 only if the folder is what was promoted, else 1.

    Raises:
        UsageError: no folder, a bundle that cannot be read, a time without a zone, or as
            ``trust_of``.
    """
    from muniment.verify.admission import AdmissionQuestion, verify_admission

    trust, _ = trust_of(options)
    if not Path(options.folder).is_dir():
        raise UsageError(f"muniment admit: {options.folder} is not a folder")
    content = own_file(options, options.bundle, "--bundle")
    question = AdmissionQuestion(
        options.folder, options.alias, _moment(options.as_of), options.model
    )
    found = verify_admission(question, options.bundle, content, trust)
    if options.json:
        print_json(
            {
                "command": "admit",
                "folder": options.folder,
                "bundle": options.bundle,
                "as_of": question.as_of.isoformat(),
                "admitted": found.holds,
                "findings": [finding.as_mapping() for finding in found.findings],
                "limits": list(found.limits),
                "certificate": found.facts or None,
            }
        )
    else:
        _show(found, options.folder)
    return 0 if found.holds else 1


def _show(found: Verification, folder: str) -> None:
    say(printable(folder))
    for finding in found.findings:
        say(f"  {'ok    ' if finding.holds else 'FAILED'}  {printable(finding.title)}")
        if finding.detail:
            say(f"          {printable(finding.detail)}")
    say("This cannot show:")
    for limit in found.limits:
        say(f"  -  {limit}")
    if found.holds:
        facts = found.facts
        say(
            printable(
                f"Admitted: it is version {facts['version']} of {facts['model']}, promoted to "
                f"{facts['alias']}."
            )
        )
        return
    failed = sum(not finding.holds for finding in found.findings)
    say(f"DO NOT SERVE THIS FOLDER: {failed} of {len(found.findings)} failed.")


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"muniment admit: --as-of: not a time: {text}") from error
    if at.tzinfo is None:
        raise UsageError("muniment admit: --as-of: say the zone, such as 2026-11-25T14:00:00Z")
    return at
