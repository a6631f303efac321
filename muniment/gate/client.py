"""Asking ``GET /api/v1/models/{name}/versions/{version}/gate``, and failing closed."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

EXIT_STATUS: Final[Mapping[str, int]] = {
    "allow": 0,
    "deny": 1,
    "usage": 2,
    "pending": 3,
    "authentication": 4,
    "server": 5,
    "network": 5,
    "output": 5,
}
DECISIONS: Final = ("allow", "deny", "pending")
REQUEST_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 16_000_000
_RETRIED: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 15.0


class GateError(Exception):
    """There is no answer.

    Attributes:
        code: ``usage``, ``authentication``, ``server``, ``network`` or ``output``; each has an
            exit status.
    """

    def __init__(self, message: str, *, code: str, may_pass: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and as whom."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """The server's answer.

    Attributes:
        decision: ``allow``, ``deny`` or ``pending``.
        document: the whole answer, as it came.
    """

    model: str
    version: str
    alias: str
    decision: str
    document: Mapping[str, Any]


def endpoint_from(environment: Mapping[str, str]) -> Endpoint:
    """Read ``MUNIMENT_URL`` and ``MUNIMENT_TOKEN``.

    Without ``MUNIMENT_URL``, the one in ``$MUNIMENT_HOME/env.json`` is used.

    Raises:
        GateError: no address (usage) or no token (authentication).
    """
    url = environment.get("MUNIMENT_URL") or _url_of_home(environment.get("MUNIMENT_HOME"))
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GateError(
            "set MUNIMENT_URL to the server's http(s) address, or MUNIMENT_HOME to a running "
            "instance's folder",
            code="usage",
        )
    token = environment.get("MUNIMENT_TOKEN", "")
    if not token:
        raise GateError("set MUNIMENT_TOKEN to an API token", code="authentication")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise GateError("MUNIMENT_TOKEN is not a token", code="authentication")
    return Endpoint(url.rstrip("/"), token)


def ask_gate(
    endpoint: Endpoint,
    model: str,
    version: str,
    alias: str,
    *,
    wait_seconds: float = 0.0,
    log: Callable[[str], None] = lambda message: None,
) -> GateAnswer:
    """Ask whether a version may hold an alias; while pending, ask again for ``wait_seconds``.

    A server that is overloaded or away for a moment is asked again within that time too.

    Raises:
        GateError: no answer, or one that cannot be understood. Never an allow in doubt.
    """
    path = (
        f"/api/v1/models/{urllib.parse.quote(model, safe='')}"
        f"/versions/{urllib.parse.quote(version, safe='')}/gate"
        f"?alias={urllib.parse.quote(alias, safe='')}"
    )
    deadline = time.monotonic() + wait_seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        remaining = deadline - time.monotonic()
        try:
            document = _get(endpoint, path)
            decision = document.get("decision")
            if decision not in DECISIONS:
                raise GateError(f"the server answered {str(decision)[:80]!r}", code="server")
            if decision != "pending" or remaining <= 0:
                return GateAnswer(model, version, alias, str(decision), document)
            log(f"pending, asking again for {remaining:.0f} s")
        except GateError as error:
            if not error.may_pass or remaining <= 0:
                raise
            log(f"{error}, asking again for {remaining:.0f} s")
        time.sleep(min(pause, max(remaining, 0.0)))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # The token is for the server that was named, not for wherever it points.
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _get(endpoint: Endpoint, path: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - endpoint_from lets http and https through only
        endpoint.url + path,
        headers={
            "Authorization": f"Bearer {endpoint.token}",
            "Accept": "application/json",
            "User-Agent": "muniment-gate",
        },
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=REQUEST_SECONDS) as response:
            content = response.read(MAX_ANSWER_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise GateError(
            f"cannot reach {endpoint.url}: {reason}", code="network", may_pass=True
        ) from error
    if len(content) > MAX_ANSWER_BYTES:
        raise GateError("the server's answer is too large", code="server")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise GateError("the server's answer is not JSON", code="server") from error
    if not isinstance(document, dict):
        raise GateError("the server's answer is not a JSON object", code="server")
    return document


def _refusal(error: urllib.error.HTTPError) -> GateError:
    try:
        problem = json.loads(error.read(1_000_000))
        said = problem.get("detail") or problem.get("title")
    except (ValueError, AttributeError, OSError, RecursionError, http.client.HTTPException):
        said = None
    message = f"the server answered {error.code}: {str(said or error.reason)[:500]}"
    if error.code in (401, 403):
        return GateError(message, code="authentication")
    return GateError(message, code="server", may_pass=error.code in _RETRIED)


def _url_of_home(home: str | None) -> str:
    if not home:
        return ""
    try:
        variables = json.loads((Path(home) / "env.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise GateError(
            f"no running instance in MUNIMENT_HOME={home}: {error}", code="usage"
        ) from error
    url = variables.get("MUNIMENT_URL") if isinstance(variables, dict) else None
    return url if isinstance(url, str) else ""
