"""Using a rollback grant: telling an MLflow server to put an alias back, with nobody else around.

Standard library alone, and no Muniment server: this is for the hour when that is down.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from muniment.grant import HEADER, ROLLBACK_ALIAS, Grant, GrantError, read_unverified_grant

EXIT_STATUS: Final[Mapping[str, int]] = {
    "moved": 0,
    "already_there": 0,
    "refused": 1,
    "usage": 2,
    "authentication": 4,
    "server": 5,
    "network": 5,
}
REQUEST_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 1_000_000


class RollbackError(Exception):
    """The alias was not put back, as far as this side can tell.

    Attributes:
        code: ``refused``, ``usage``, ``authentication``, ``server`` or ``network``; each has an
            exit status.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class MlflowAddress:
    """An MLflow server, and who asks it; the credentials are its own, not Muniment's."""

    url: str
    authorization: str = field(default="", repr=False)


def address_from(environment: Mapping[str, str], *, url: str = "") -> MlflowAddress:
    """Read where MLflow is, by the names that MLflow's own clients use.

    Args:
        environment: ``MLFLOW_TRACKING_URI``, and ``MLFLOW_TRACKING_TOKEN`` or
            ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``.
        url: instead of ``MLFLOW_TRACKING_URI``.

    Raises:
        RollbackError: ``usage``: no http or https address, or credentials in it.
    """
    wanted = url or environment.get("MLFLOW_TRACKING_URI", "")
    parts = urllib.parse.urlsplit(wanted)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RollbackError(
            "name the MLflow server with --mlflow, or set MLFLOW_TRACKING_URI to its http(s) "
            "address",
            code="usage",
        )
    if "@" in parts.netloc:
        raise RollbackError(
            "give MLflow's credentials in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "not in the address",
            code="usage",
        )
    authorization = ""
    if token := environment.get("MLFLOW_TRACKING_TOKEN"):
        authorization = f"Bearer {token}"
    elif user := environment.get("MLFLOW_TRACKING_USERNAME"):
        pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    if not (authorization.isascii() and (not authorization or authorization.isprintable())):
        raise RollbackError("MLFLOW_TRACKING_TOKEN is not a token", code="usage")
    return MlflowAddress(wanted.rstrip("/"), authorization)


def read_rollback_token(content: str) -> tuple[str, Grant]:
    """Return the token that a file holds, and what it says; MLflow is who verifies it.

    Raises:
        RollbackError: ``usage``: it is no rollback grant.
    """
    token = content.strip()
    try:
        grant = read_unverified_grant(token)
    except GrantError as error:
        raise RollbackError(f"the file holds no grant: {error.message}", code="usage") from error
    if grant.operation != ROLLBACK_ALIAS:
        raise RollbackError("the file holds a grant, but not for a rollback", code="usage")
    return token, grant


def roll_back(mlflow: MlflowAddress, token: str, grant: Grant, *, now: datetime) -> str:
    """Put the alias back; return ``moved``, or ``already_there`` where it is already.

    The alias is read before anything is done: a grant is not used up for a move that was made, and
    so an answer that was lost on the way is told by running this again.

    Args:
        grant: what ``token`` says.
        now: with a UTC offset; an expired grant is not sent.

    Raises:
        RollbackError: anything else.
    """
    held = _held_version(mlflow, grant)
    if held == grant.version:
        return "already_there"
    if held != grant.from_version:
        where = f"points to version {held}" if held else "points to no version"
        raise RollbackError(
            f"{grant.alias} of {grant.model} {where}, and the grant holds only while it points to "
            f"version {grant.from_version}; nothing was changed, and the grant was not used",
            code="refused",
        )
    if now >= grant.expires_at:
        raise RollbackError(
            f"the grant expired at {grant.expires_at:%Y-%m-%d %H:%M:%S} UTC; nothing was changed",
            code="refused",
        )
    move = {"name": grant.model, "alias": grant.alias, "version": grant.version}
    _ask(mlflow, "POST", "/registered-models/alias", content=move, token=token)
    return "moved"


def _held_version(mlflow: MlflowAddress, grant: Grant) -> str:
    """Return the version that the alias names in MLflow; empty for none."""
    query = urllib.parse.urlencode({"name": grant.model})
    found = _ask(mlflow, "GET", f"/registered-models/get?{query}")
    known = found.get("registered_model")
    aliases = known.get("aliases") if isinstance(known, dict) else None
    for item in aliases if isinstance(aliases, list) else []:
        if isinstance(item, dict) and item.get("alias") == grant.alias:
            return str(item.get("version"))
    if not isinstance(known, dict):
        raise RollbackError(f"{mlflow.url} does not answer as MLflow does", code="server")
    return ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # The grant is for the server that was named, not for wherever it points.
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _ask(
    mlflow: MlflowAddress,
    method: str,
    path: str,
    *,
    content: Mapping[str, str] | None = None,
    token: str = "",
) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - address_from lets http and https through only
        f"{mlflow.url}/api/2.0/mlflow{path}",
        None if content is None else json.dumps(content).encode(),
        {"Accept": "application/json", "User-Agent": "muniment-rollback"},
        method=method,
    )
    if content is not None:
        request.add_header("Content-Type", "application/json")
    if mlflow.authorization:
        request.add_header("Authorization", mlflow.authorization)
    if token:
        request.add_header(HEADER, token)
    try:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=REQUEST_SECONDS) as response:
            answer = json.loads(response.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        again = "; run this again: it says whether the alias was moved" if token else ""
        raise RollbackError(
            f"cannot reach {mlflow.url}: {reason}{again}", code="network"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RollbackError(
            f"{mlflow.url} does not answer as MLflow does", code="server"
        ) from error
    if not isinstance(answer, dict):
        raise RollbackError(f"{mlflow.url} does not answer as MLflow does", code="server")
    return answer


def _refusal(error: urllib.error.HTTPError) -> RollbackError:
    try:
        answered = json.loads(error.read(MAX_ANSWER_BYTES))
        code, said = str(answered.get("error_code")), str(answered.get("message"))
    except (ValueError, AttributeError, OSError, RecursionError, http.client.HTTPException):
        code, said = "", str(error.reason)
    message = f"MLflow answered {error.code}: {said[:500]}"
    # The gatekeeper and MLflow's basic-auth both answer 403; only the one says its code.
    if error.code == 401 or (error.code == 403 and code != "PERMISSION_DENIED"):
        return RollbackError(message, code="authentication")
    return RollbackError(message, code="refused" if 400 <= error.code < 500 else "server")
