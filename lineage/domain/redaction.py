"""Keeping credentials, and texts without end, out of what is written down for ever."""

from __future__ import annotations

import hashlib
import json
import re
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

_SECRET_KEY = re.compile(
    r"signature|credential|token|secret|password|passwd|accesskey|api[_-]?key|^sig$|^key$",
    re.IGNORECASE,
)
_REDACTED = "redacted"


def without_credentials(uri: str) -> str:
    """Return a URI without the user, password and signed query values that it may carry.

    Only ``ssh`` keeps its user name (``ssh://git@…`` names no person). The ``user@host:path`` that
    git also takes is left as it is. What is no URI comes back unchanged; what cannot be taken
    apart comes back empty.
    """
    if "://" not in uri:
        return uri
    try:
        split = urlsplit(uri)
    except ValueError:
        return ""
    return split._replace(netloc=_netloc(split), query=_query(split.query)).geturl()


def bounded(text: str, limit: int) -> str:
    """Return a text that takes at most `limit` bytes as JSON.

    A longer one keeps its beginning, its length and its SHA-256.

    Args:
        limit: at least 200.
    """
    if _json_bytes(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    note = f"… ({len(text)} characters, sha256:{digest})"
    kept = text[: limit - _json_bytes(note)]
    while kept and _json_bytes(kept) + _json_bytes(note) > limit:
        kept = kept[: len(kept) * 3 // 4]
    return kept + note


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")) - 2


def _netloc(split: SplitResult) -> str:
    user, at, host = split.netloc.rpartition("@")
    if not at or split.scheme not in ("ssh", "git+ssh"):
        return host
    return f"{user.partition(':')[0]}@{host}"


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(_SECRET_KEY.search(key) for key, _ in pairs):
        return query
    return "&".join(
        f"{quote(key, safe='')}={_REDACTED if _SECRET_KEY.search(key) else quote(value, safe='')}"
        for key, value in pairs
    )
