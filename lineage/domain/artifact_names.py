"""Names and places of artifacts: which are safe to ask the MLflow server for."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

PROXY_SCHEME: Final = "mlflow-artifacts"
MAX_NAME_CHARACTERS: Final = 250
_MODEL_URI = re.compile(r"models:/(m-[0-9a-f]{32})", re.ASCII)
# NUL, newline and the other control characters, and the backslash: sha256sum escapes some of
# these in its listing, and none of them names a file that anyone meant to log.
_REFUSED_CHARACTER = re.compile(r"[\x00-\x1f\x7f\\]")


class UnsafeName(ValueError):
    """A name or place that is not asked for. The message names it and says why."""


def require_name(name: str) -> str:
    """Return one name inside a folder, if it is safe to ask for.

    Raises:
        UnsafeName: empty, ``.`` or ``..``, a slash, a backslash or a control character in it,
            also when percent-decoded (MLflow decodes a path more than once), or longer than
            250 characters.
    """
    if len(name) > MAX_NAME_CHARACTERS:
        raise UnsafeName(f"a name of {len(name)} characters")
    shown = ascii(name)[1:-1]
    decoded = name
    # Twice: what is left then is no longer decoded by anything between here and the disk.
    for _ in range(3):
        if decoded in ("", ".", ".."):
            raise UnsafeName(f"the name {shown!r}, which leaves its folder")
        if "/" in decoded:
            raise UnsafeName(f"a slash in the name {shown!r}")
        if _REFUSED_CHARACTER.search(decoded):
            raise UnsafeName(f"a backslash or control character in the name {shown!r}")
        decoded = unquote(decoded)
    return name


def require_path(path: str) -> tuple[str, ...]:
    """Return the names of a relative path such as ``environment/requirements.lock.txt``.

    Raises:
        UnsafeName: an unsafe name in it, or it is absolute or empty.
    """
    return tuple(require_name(name) for name in path.split("/"))


def proxy_path(artifact_uri: str, *, server_hosts: frozenset[str]) -> tuple[str, ...]:
    """Return where the MLflow server's artifact proxy has an artifact folder.

    Args:
        artifact_uri: ``mlflow-artifacts:/1/models/m-…/artifacts``; with a host only where that
            is the server that we ask anyway.
        server_hosts: ``host`` and ``host:port`` of that server, lower case.

    Raises:
        UnsafeName: another scheme (the bytes lie where this server does not serve them, and
            we open nothing that a run merely names), another host, or an unsafe path.
    """
    try:
        split = urlsplit(artifact_uri)
    except ValueError as error:
        raise UnsafeName(f"the malformed place {artifact_uri[:200]!r}") from error
    if split.scheme != PROXY_SCHEME:
        raise UnsafeName(
            f"the place {split.scheme or 'without a scheme'}:…, which the MLflow server does not "
            "serve"
        )
    if split.netloc and split.netloc.lower() not in server_hosts:
        raise UnsafeName(f"the other server {split.netloc[:200]!r}")
    if split.query or split.fragment:
        raise UnsafeName("a place with a query or a fragment")
    trimmed = split.path.strip("/")
    return require_path(trimmed) if trimmed else ()


def quote_path(names: tuple[str, ...]) -> str:
    """Write names as a URL path, every reserved character encoded."""
    return "/".join(quote(name, safe="") for name in names)


def logged_model_id(source_uri: str) -> str | None:
    """Return ``m-<32 hex>`` of the one source that names a logged model, ``models:/m-…``."""
    found = _MODEL_URI.fullmatch(source_uri)
    return found.group(1) if found else None
