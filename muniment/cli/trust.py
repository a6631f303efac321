"""What whoever runs a command brings along and trusts: the log's keys, or a policy; their files."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from muniment.cli import UsageError

if TYPE_CHECKING:
    from muniment.verify import LogTrust

_MAX_OWN_BYTES = 1_000_000


def add_trust(parser: ArgumentParser) -> None:
    """Add the options that `trust_of` reads."""
    parser.add_argument(
        "--vkey",
        action="append",
        default=[],
        help="the log's verifier key: name+hash+key; repeat it for a log with several keys, one of "
        "which is enough; by default those in $MUNIMENT_HOME/keys/keyring.json, where "
        "MUNIMENT_HOME is set",
    )
    parser.add_argument(
        "--policy",
        metavar="FILE",
        help="instead of --vkey: a C2SP tlog-policy, whose quorum of witnesses is demanded as well",
    )


def trust_of(options: Namespace) -> tuple[LogTrust, str]:
    """Return what is trusted, and where it comes from.

    Never from what is looked at: ``--vkey`` or ``--policy``, else the installation at
    ``MUNIMENT_HOME``.

    Raises:
        UsageError: both, a key or policy that cannot be read, or none at all.
    """
    from muniment.attest.errors import AttestError
    from muniment.verify import LogTrust

    if options.policy is not None:
        if options.vkey:
            raise UsageError(f"muniment {options.command}: give --vkey or --policy, not both")
        content = own_file(options, options.policy, "--policy")
        try:
            return LogTrust.of_policy(content), "--policy"
        except AttestError as error:
            raise UsageError(
                f"muniment {options.command}: --policy {options.policy}: {error.message}"
            ) from error
    vkeys, origin = (options.vkey, "--vkey") if options.vkey else _installed_vkeys(options)
    try:
        return LogTrust.of_keys(vkeys), origin
    except AttestError as error:
        raise UsageError(f"muniment {options.command}: {origin}: {error.message}") from error


def own_file(options: Namespace, path: str, option: str) -> bytes:
    """Return the bytes of a file that is given as an option.

    Raises:
        UsageError: it cannot be read, or has more than 1,000,000 bytes.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(_MAX_OWN_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise UsageError(
            f"muniment {options.command}: {option}: cannot read {path}: {reason}"
        ) from error
    if len(content) > _MAX_OWN_BYTES:
        raise UsageError(
            f"muniment {options.command}: {option}: {path} has more than {_MAX_OWN_BYTES} bytes"
        )
    return content


def _installed_vkeys(options: Namespace) -> tuple[Sequence[str], str]:
    """Return the keys of the log that runs here, and the file that says so."""
    home = os.environ.get("MUNIMENT_HOME")
    if not home:
        raise UsageError(
            f"muniment {options.command}: give the log's verifier key as --vkey, or a policy as "
            "--policy, from anywhere but what is verified (where Muniment runs, MUNIMENT_HOME is "
            "enough)"
        )
    from muniment.attest.errors import AttestError
    from muniment.attest.keyring import Keyring

    path = Path(home, "keys", "keyring.json")
    try:
        return Keyring.load(path).log.vkeys, str(path)
    except AttestError as error:
        raise UsageError(
            f"muniment {options.command}: no --vkey was given, and {error.message}"
        ) from error
