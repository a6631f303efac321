"""Where code may be fetched from: a recorded remote, held against what an admin allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# What git fetches without running a program that the address names (``ext::``, ``fd::``).
SCHEMES: Final = ("https", "ssh", "file")
_SHORT_SSH: Final = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]{2,}):(?P<path>[^:].*)")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", re.ASCII)
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|", re.ASCII)
# What spells a part of a path in two ways, or means something to git or to ssh.
_ODD: Final = re.compile(r"[^\x21-\x7e]|[\\%?#*]|//|/\.{1,2}(/|$)|/-")


class RemoteRefused(ValueError):
    """Code is not fetched from there; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Remote:
    """An address in its one spelling.

    Attributes:
        host: with the port, where one is named; empty for a path of this machine.
        path: absolute, without a slash at its end.
    """

    scheme: str
    user: str
    host: str
    path: str

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"{self.scheme}://{user}{self.host}{self.path or '/'}"

    def lies_in(self, prefix: Remote) -> bool:
        """Say whether it is the prefix or lies in it, by whole parts of the path."""
        return (
            (self.scheme, self.host) == (prefix.scheme, prefix.host)
            and self.user in ("", prefix.user)
            and f"{self.path}/".startswith(f"{prefix.path}/")
        )


def parse_remote(text: str) -> Remote:
    """Take a remote apart, also in git's short form ``git@host:group/name.git``.

    Raises:
        RemoteRefused: another scheme, a password, or anything that is not a plain address.
    """
    shown = text[:200]
    short = _SHORT_SSH.fullmatch(text) if "://" not in text and "::" not in text else None
    if text.startswith("/"):
        text = f"file://{text}"
    elif short is not None:
        user, host, path = short["user"] or "", short["host"], short["path"]
        text = f"ssh://{user}{'@' if user else ''}{host}/{path.lstrip('/')}"
    try:
        parts = urlsplit(text)
        password = parts.password
    except ValueError as error:
        raise RemoteRefused(f"{shown!r} is no address that git can fetch from") from error
    if parts.scheme not in SCHEMES:
        raise RemoteRefused(f"{shown!r} is fetched by none of {', '.join(SCHEMES)}")
    user, _, host = parts.netloc.rpartition("@")
    host = host.lower()
    if password is not None or (user and parts.scheme != "ssh") or _USER.fullmatch(user) is None:
        raise RemoteRefused(f"the remote names a user or password: {parts.scheme}://…@{host}")
    if bool(host) == (parts.scheme == "file") or (host and _HOST.fullmatch(host) is None):
        raise RemoteRefused(f"{shown!r} names no plain host")
    path = parts.path.rstrip("/")
    if _ODD.search(parts.path) or parts.query or parts.fragment or "?" in text or "#" in text:
        raise RemoteRefused(f"{shown!r} has something odd in its path")
    return Remote(parts.scheme, user, host, path)


def allowed_remote(text: str, allowed: Sequence[str]) -> Remote:
    """Return a recorded remote as it may be fetched: of ssh with the user that was allowed.

    Raises:
        RemoteRefused: it is no plain address, or lies in no allowed prefix.
    """
    remote = parse_remote(text)
    for prefix in sorted(allowed, key=len, reverse=True):
        try:
            place = parse_remote(prefix)
        except RemoteRefused:
            continue
        if remote.lies_in(place):
            return Remote(remote.scheme, place.user, remote.host, remote.path)
    raise RemoteRefused(
        f"{remote} lies in no place of code that an admin allowed for this source; "
        "`manage.py places add` allows one"
    )
