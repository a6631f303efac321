"""HTTP to one MLflow server: timeouts, bounded retries, bounded answers, typed errors."""

from __future__ import annotations

import json
import random
import ssl
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx

from lineage.errors import (
    ArtifactRefused,
    MlflowGarbage,
    MlflowMissing,
    MlflowRefused,
    MlflowUnavailable,
)
from lineage.mlflow.parsing import clean_text

T = TypeVar("T")

API: Final = "/api/2.0"
MAX_JSON_BYTES: Final = 16 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_NOT_NOW: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for MLflow, and how often to ask again.

    Attributes:
        attempts: requests in all, at least one.
        first_wait_seconds: before the second attempt; doubled before each later one, up to
            `longest_wait_seconds`, which also bounds a Retry-After.
        read_timeout_seconds: without a single byte.
        answer_seconds: for one whole answer, so that a trickle does not hold us for ever.
    """

    attempts: int = 4
    first_wait_seconds: float = 0.25
    longest_wait_seconds: float = 5.0
    connect_timeout_seconds: float = 3.0
    read_timeout_seconds: float = 60.0
    answer_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Access:
    """What a server asks of its clients; empty where it asks nothing.

    Attributes:
        token: a bearer token; with one, name and password are not used.
        ca_bundle: a PEM file of the authorities that the server's certificate is checked
            against, instead of the public ones.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_bundle: str = ""


class Transport:
    """Asks one server. Safe to share between threads; closes its connections when dropped.

    Raises:
        ValueError: no URL of a server. OSError: the CA bundle cannot be read.
    """

    def __init__(self, tracking_uri: str, patience: Patience, access: Access | None = None) -> None:
        access = access or Access()
        url = httpx.URL(tracking_uri)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("an MLflow tracking URI of a server begins with http:// or https://")
        self._patience = patience
        self._base_path = url.raw_path.decode("ascii").partition("?")[0].rstrip("/")
        default_port = 443 if url.scheme == "https" else 80
        self.hosts = frozenset({url.host.lower(), f"{url.host.lower()}:{url.port or default_port}"})
        self._http = httpx.Client(
            base_url=url.copy_with(raw_path=b"/"),
            timeout=httpx.Timeout(
                patience.read_timeout_seconds, connect=patience.connect_timeout_seconds
            ),
            # A redirect could lead anywhere, with our credentials and our grant.
            follow_redirects=False,
            # What the environment says about proxies is not about a server beside us.
            trust_env=False,
            # Bytes are hashed as they lie there, and a small answer cannot unpack to a large one.
            headers={
                "Accept-Encoding": "identity",
                "User-Agent": "muniment",
                **({"Authorization": f"Bearer {access.token}"} if access.token else {}),
            },
            auth=(
                httpx.BasicAuth(access.username, access.password)
                if access.username and not access.token
                else None
            ),
            verify=(
                ssl.create_default_context(cafile=access.ca_bundle) if access.ca_bundle else True
            ),
        )
        weakref.finalize(self, self._http.close)

    def get_json(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        max_bytes: int = MAX_JSON_BYTES,
    ) -> dict[str, Any]:
        """GET an object. `path` begins with a slash and stands below ``/api/2.0``.

        Raises:
            MlflowUnavailable: no answer after every attempt.
            MlflowGarbage: an answer that is no JSON object, or too large.
            MlflowRefused: a 4xx; MlflowMissing where MLflow says that there is no such thing.
        """
        request = self._http.build_request(
            "GET", self._base_path + API + path, params=dict(parameters or {})
        )
        return self._ask(request, lambda chunks: _parse(chunks, max_bytes), repeat=True)

    def post_json(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """POST an object; as `send_json`."""
        return self.send_json("POST", path, body)

    def send_json(
        self,
        method: str,
        path: str,
        body: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send an object once: asked again only where the server cannot have acted on it.

        Args:
            method: ``POST``, ``PATCH`` or ``DELETE``, as MLflow's route has it.

        Raises:
            As `get_json`. After MlflowUnavailable nobody knows whether it was done.
        """
        request = self._http.build_request(
            method, self._base_path + API + path, json=dict(body), headers=dict(headers or {})
        )
        return self._ask(request, lambda chunks: _parse(chunks, MAX_JSON_BYTES), repeat=False)

    def read(self, path: str, consume: Callable[[Iterator[bytes]], T], *, max_bytes: int) -> T:
        """GET bytes and return what `consume` makes of them.

        Args:
            consume: called with the chunks; called again from the start after a lost connection.

        Raises:
            ArtifactRefused: more than `max_bytes`.
            As `get_json`.
        """
        request = self._http.build_request("GET", self._base_path + API + path)
        return self._ask(request, lambda chunks: consume(_limited(chunks, max_bytes)), repeat=True)

    def _ask(
        self, request: httpx.Request, consume: Callable[[Iterator[bytes]], T], *, repeat: bool
    ) -> T:
        failure = MlflowUnavailable("MLflow was not asked.")
        for attempt in range(max(self._patience.attempts, 1)):
            wait = self._patience.first_wait_seconds * 2**attempt
            try:
                response = self._http.send(request, stream=True)
                try:
                    if response.status_code not in _NOT_NOW and response.status_code < 500:
                        return self._accept(response, consume)
                    failure = _unavailable(response)
                    wait = _retry_after(response) or wait
                    # 429: it was not acted on. Anything else: nobody knows.
                    may_repeat = repeat or response.status_code == HTTPStatus.TOO_MANY_REQUESTS
                finally:
                    response.close()
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                failure = MlflowUnavailable(f"MLflow does not answer ({_words(error)}).")
                may_repeat = True
            except (httpx.TransportError, _TooSlow) as error:
                failure = MlflowUnavailable(f"MLflow broke off its answer ({_words(error)}).")
                may_repeat = repeat
            except httpx.HTTPError as error:
                raise MlflowGarbage(f"MLflow's answer is not HTTP ({_words(error)}).") from error
            if not may_repeat or attempt + 1 >= self._patience.attempts:
                break
            # Spread, so that workers which failed together do not come back together.
            time.sleep(min(wait, self._patience.longest_wait_seconds) * random.uniform(0.7, 1.0))  # noqa: S311 - not a secret
        raise failure

    def _accept(self, response: httpx.Response, consume: Callable[[Iterator[bytes]], T]) -> T:
        status = response.status_code
        if status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(response)
        if status != HTTPStatus.OK:
            raise MlflowGarbage(f"The server answered HTTP {status}, which MLflow does not.")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise MlflowGarbage("The server packed its answer, which was not asked for.")
        return consume(_in_time(response, self._patience.answer_seconds))


class _TooSlow(Exception):
    """One answer took longer than it may."""


def _in_time(response: httpx.Response, seconds: float) -> Iterator[bytes]:
    until = time.monotonic() + seconds
    # As they come: a chunk size would have httpx gather bytes, and the clock would not be read.
    for chunk in response.iter_raw():
        if time.monotonic() > until:
            raise _TooSlow(f"not finished after {seconds:g} s")
        yield chunk


def _limited(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > max_bytes:
            raise ArtifactRefused(f"It is larger than {max_bytes:,} bytes.")
        yield chunk


def _parse(chunks: Iterable[bytes], max_bytes: int) -> dict[str, Any]:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > max_bytes:
            raise MlflowGarbage(f"MLflow's answer is larger than {max_bytes:,} bytes.")
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MlflowGarbage("The server's answer is not the JSON that MLflow writes.") from error
    if not isinstance(parsed, dict):
        raise MlflowGarbage("The server's answer is no JSON object.")
    return parsed


def _error_body(response: httpx.Response) -> tuple[str, str]:
    """Return MLflow's error code and message; empty where the body is not MLflow's."""
    content = bytearray()
    try:
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > _MAX_ERROR_BYTES:
                return "", ""
        parsed = json.loads(content)
    except (httpx.TransportError, ValueError, RecursionError):
        return "", ""
    if not isinstance(parsed, dict) or not isinstance(parsed.get("error_code"), str):
        return "", ""
    return clean_text(parsed["error_code"])[:100], clean_text(str(parsed.get("message", "")))[:1000]


def _refusal(response: httpx.Response) -> MlflowRefused | MlflowGarbage:
    status = response.status_code
    error_code, message = _error_body(response)
    if status == HTTPStatus.NOT_FOUND:
        if not error_code:
            # Only MLflow itself can say that something of MLflow's is not there.
            return MlflowGarbage("The server does not know MLflow's REST routes (HTTP 404).")
        return MlflowMissing(message, status=status, error_code=error_code)
    if not message:
        message = f"MLflow refused the request (HTTP {status})."
    return MlflowRefused(message, status=status, error_code=error_code)


def _unavailable(response: httpx.Response) -> MlflowUnavailable:
    status = response.status_code
    _, message = _error_body(response)
    said = f": {message}" if message else ""
    return MlflowUnavailable(f"MLflow answered HTTP {status}{said}", status=status)


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that the server asks for; None where it names none, or a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _words(error: Exception) -> str:
    return clean_text(str(error))[:200] or type(error).__name__
