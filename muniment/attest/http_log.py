"""A log read from a web server, which is trusted for nothing.

Source: https://c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Mapping
from typing import Any, Final

from muniment.attest.errors import TileError
from muniment.attest.log_source import MISSING, FolderSource, LogSource, require_path, too_large

REQUEST_SECONDS: Final = 30.0
_CHUNK_BYTES: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}


class HttpSource(LogSource):
    """A log that a web server gives out.

    Redirects are refused: the answer must come from where the auditor asked.

    Args:
        base: the http or https address of the log's prefix, without query or fragment.
        token: sent as a bearer token with every request; see ``token_for``.
        timeout_seconds: for one file, and for each wait in between.
    """

    def __init__(
        self, base: str, token: str | None = None, *, timeout_seconds: float = REQUEST_SECONDS
    ) -> None:
        """Name a log. Nothing is asked yet.

        Raises:
            TileError: not an address of that form, or one that holds a password.
        """
        if _origin(base) is None or not base.isascii() or not base.isprintable() or " " in base:
            raise TileError(
                "a log's address is http://… or https://… without a user's name, query or fragment",
                code="tile.address",
            )
        super().__init__(base)
        self._base = base.rstrip("/")
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._opener = urllib.request.build_opener(_NoRedirect)

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return a file's content, as ``LogSource.read``."""
        require_path(path)
        headers = {"Accept-Encoding": "gzip, identity", "User-Agent": "muniment-verify"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(  # noqa: S310 - the constructor lets http and https through
            f"{self._base}/{path}", headers=headers
        )
        deadline = time.monotonic() + self._timeout_seconds
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as response:
                return _content(response, path, max_bytes, deadline)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(path, error.code) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise TileError(
                f"{path}: cannot be read from {self._base}: {str(reason)[:200]}",
                code="tile.unreadable",
            ) from error


def open_source(place: str, environment: Mapping[str, str]) -> LogSource:
    """Return the source that an auditor named: an http(s) address, or else a folder.

    Args:
        environment: ``MUNIMENT_URL`` and ``MUNIMENT_TOKEN`` are read from it.

    Raises:
        TileError: as the constructors.
    """
    if place.lower().startswith(("http://", "https://")):
        return HttpSource(place, token_for(place, environment))
    return FolderSource(place)


def token_for(base: str, environment: Mapping[str, str]) -> str | None:
    """Return ``MUNIMENT_TOKEN`` if ``base`` is of the same origin as ``MUNIMENT_URL``, else None.

    An origin is scheme, host and port: the token is for that server and no other.
    """
    token = environment.get("MUNIMENT_TOKEN", "")
    origin = _origin(environment.get("MUNIMENT_URL", ""))
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        return None
    return token if origin is not None and origin == _origin(base) else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _content(
    response: http.client.HTTPResponse, path: str, max_bytes: int, deadline: float
) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise TileError(f"{path}: sent in the encoding {encoding[:40]!r}", code="tile.unreadable")
    inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    parts: list[bytes] = []
    size = received = 0
    while chunk := response.read1(_CHUNK_BYTES):
        received += len(chunk)
        if time.monotonic() > deadline:
            raise TileError(f"{path}: the server takes too long", code="tile.unreadable")
        if inflate is not None:
            try:
                # Bounded: a small answer may inflate to anything.
                chunk = inflate.decompress(chunk, max_bytes + 1 - size)
            except zlib.error as error:
                raise TileError(f"{path}: not what gzip writes", code="tile.unreadable") from error
        size += len(chunk)
        if size > max_bytes or received > max_bytes + _CHUNK_BYTES:
            raise too_large(path, max_bytes)
        parts.append(chunk)
    is_whole = response.length in (None, 0) and (inflate is None or inflate.eof)
    if not is_whole:
        raise TileError(f"{path}: the answer is cut short", code="tile.unreadable")
    if inflate is not None and inflate.unused_data:
        raise TileError(f"{path}: something follows the gzip stream", code="tile.unreadable")
    return b"".join(parts)


def _refusal(path: str, status: int) -> TileError:
    if status in (404, 410):
        return TileError(f"{path}: there is no such file (status {status})", code=MISSING)
    if status in (301, 302, 303, 307, 308):
        return TileError(
            f"{path}: the server points elsewhere (status {status}); give the log's own address",
            code="tile.redirect",
        )
    if status in (401, 403):
        return TileError(
            f"{path}: the server refuses (status {status}); it may want a token: set "
            "MUNIMENT_TOKEN, and MUNIMENT_URL to the server's address",
            code="tile.refused",
        )
    return TileError(f"{path}: the server answered {status}", code="tile.unreadable")


def _origin(address: str) -> tuple[str, str, int] | None:
    try:
        parts = urllib.parse.urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    if parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
