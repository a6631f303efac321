"""Where a data set lies, taken apart so that two spellings cannot mean two places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from muniment.datasets.errors import DatasetRefused

SCHEMES: Final = ("file", "s3", "gs", "az", "https", "http")
MAX_URI: Final = 4_000
_OTHER_NAMES: Final = {"s3a": "s3", "gcs": "gs"}
_WEB: Final = ("https", "http")
# A server may take these for what they stand for before it looks for a file, or after.
_HIDDEN: Final = re.compile(r"%(2e|2f|5c|00|25)|;", re.ASCII | re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\\]|^\s|\s$")


@dataclass(frozen=True, slots=True)
class Location:
    """An address in one spelling.

    Law: ``parse_location(str(location)) == location``.

    Attributes:
        host: a bucket, a container, or a web server with its port where one is given; empty for
            a file.
        path: begins with a slash and does not end with one; empty for the root. Of a file as the
            disk spells it, of an object store as the store does, of the web with its escapes.
    """

    scheme: str
    host: str
    path: str

    def __str__(self) -> str:
        path = quote(self.path, errors="surrogateescape") if self.scheme == "file" else self.path
        return f"{self.scheme}://{self.host}{path or '/'}"

    @property
    def name(self) -> str:
        """Return the last part of the path, or of the host where there is none."""
        last = self.path.rpartition("/")[2] or self.host.partition(":")[0] or "dataset"
        return unquote(last) if self.scheme in _WEB else last

    def is_beneath(self, prefix: Location) -> bool:
        """Say whether it is ``prefix`` or lies in it, by whole parts of the path."""
        if (self.scheme, self.host) != (prefix.scheme, prefix.host):
            return False
        return self.path == prefix.path or self.path.startswith(f"{prefix.path}/")


def parse_location(uri: str) -> Location:
    """Take an address apart. A path that begins with a slash is a file's.

    Raises:
        DatasetRefused: an unknown scheme, a user's name or password in it, a query or fragment,
            a relative path, or parts that could mean another place than they say (``..``, empty
            ones, escaped slashes and dots).
    """
    if len(uri) > MAX_URI or _UNPRINTABLE.search(uri):
        raise DatasetRefused(
            "an address has at most 4,000 characters, no backslash and no control characters",
            code="dataset.address",
        )
    if uri.startswith("/") and not uri.startswith("//"):
        return _location("file", "", uri.rstrip("/"))
    scheme, colon, rest = uri.partition(":")
    scheme = _OTHER_NAMES.get(scheme.lower(), scheme.lower())
    if not colon or scheme not in SCHEMES:
        raise DatasetRefused(
            f"{uri[:200]!r} is no address that is opened here: it begins with one of "
            f"{', '.join(f'{one}://' for one in SCHEMES)}",
            code="dataset.scheme",
        )
    if scheme == "file":
        return _file(rest)
    authority, _, path = rest.removeprefix("//").partition("/")
    if not rest.startswith("//") or not authority:
        raise DatasetRefused(f"{uri[:200]!r} names no host or bucket", code="dataset.address")
    if "@" in authority:
        # Not repeated: what stands there may be a password.
        raise DatasetRefused(
            "an address holds no user's name and no password", code="dataset.address"
        )
    if scheme in _WEB:
        authority = _web_host(authority)
        if "?" in path or "#" in path or _HIDDEN.search(path):
            raise DatasetRefused(
                "a web address has no query, no fragment, no semicolon, and no escaped dots, "
                "slashes or percent signs",
                code="dataset.address",
            )
    return _location(scheme, authority, f"/{path}".rstrip("/"))


def without_credentials(uri: str) -> str:
    """Return an address without a user's name, password, query and fragment."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query="", fragment=""))


def _file(rest: str) -> Location:
    if rest.startswith("//"):
        host, _, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise DatasetRefused("a file lies on no host", code="dataset.address")
        rest = f"/{path}"
    if not rest.startswith("/"):
        raise DatasetRefused(
            "a file's address holds an absolute path: file:///srv/data", code="dataset.address"
        )
    path = unquote(rest, errors="surrogateescape")
    if _UNPRINTABLE.search(path):
        raise DatasetRefused(
            "a path has no backslash and no control characters", code="dataset.address"
        )
    return _location("file", "", path.rstrip("/"))


def _web_host(authority: str) -> str:
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not authority.isascii():
        raise DatasetRefused(
            f"{authority[:200]!r} is no host with an optional port", code="dataset.address"
        )
    host = f"[{host}]" if ":" in host else host.rstrip(".")
    return host if port is None else f"{host}:{port}"


def _location(scheme: str, host: str, path: str) -> Location:
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise DatasetRefused(
            "a path has no empty parts and none that are '.' or '..'", code="dataset.address"
        )
    return Location(scheme, host, path)
