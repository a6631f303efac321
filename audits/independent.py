"""Who says something of this log besides us: the settings, read and, where unclear, refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
from django.conf import settings

from audits.errors import SettingsRefused
from audits.services.signing import keyring
from muniment.attest.errors import NoteError
from muniment.attest.log_policy import LogPolicy


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """The TSA that is asked for timestamps.

    Attributes:
        roots: PEM; its certificate must chain to one of these.
    """

    url: str = field(repr=False)  # it may hold a password
    roots: bytes = field(repr=False)

    @property
    def host(self) -> str:
        """Its name, for people."""
        return httpx.URL(self.url).host


def timestamp_authority() -> TimestampAuthority | None:
    """Return the TSA; None where there is none.

    Raises:
        SettingsRefused: MUNIMENT_TSA_URL is no address, or MUNIMENT_TSA_CA_FILE no file.
    """
    if not settings.TSA_URL:
        return None
    _require_address(settings.TSA_URL, "MUNIMENT_TSA_URL")
    if not settings.TSA_CA_FILE:
        raise SettingsRefused(
            "MUNIMENT_TSA_URL is set and MUNIMENT_TSA_CA_FILE is not: without the authority's root "
            "certificate, no timestamp of it can be believed."
        )
    return TimestampAuthority(settings.TSA_URL, _read(settings.TSA_CA_FILE, "MUNIMENT_TSA_CA_FILE"))


def witness_policy() -> LogPolicy | None:
    """Return the policy on witnesses; None where there is none. Read once a process.

    Raises:
        SettingsRefused: the file cannot be read, breaks the format's rules, is about another log,
            or asks for a quorum that the witnesses with an address cannot reach.
        KeyUnavailable: this process has no keyring to compare it with.
    """
    if not settings.WITNESS_POLICY_FILE:
        return None
    return _load_policy(settings.WITNESS_POLICY_FILE)


@cache
def _load_policy(file: str) -> LogPolicy:
    where = "MUNIMENT_WITNESS_POLICY"
    try:
        policy = LogPolicy.parse(_read(file, where))
    except NoteError as error:
        raise SettingsRefused(f"{where}: {file}, {error.message}.") from error
    log = keyring().log
    if log.vkey not in {item.verifier.vkey for item in policy.logs}:
        raise SettingsRefused(
            f"{where}: {file} is not about this log. It needs the line: log {log.vkey}"
        )
    for witness in policy.witnesses:
        if witness.url is not None:
            _require_address(witness.url, f"{where}: the witness {witness.name!a} in {file}")
    if not policy.is_satisfied(item.verifier for item in policy.witnesses if item.url is not None):
        raise SettingsRefused(
            f"{where}: {file} asks for {policy.words}, which the witnesses that have an address "
            "cannot reach: nothing would ever count as witnessed. Add their submission addresses."
        )
    return policy


def _read(file: str, where: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise SettingsRefused(f"{where}: cannot read {file}: {error.strerror}.") from error


def _require_address(url: str, where: str) -> None:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsRefused(f"{where} is not an address: {error}.") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise SettingsRefused(f"{where} is not an http or https address.")
