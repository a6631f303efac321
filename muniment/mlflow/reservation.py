"""Asking Muniment to reserve and confirm a grant, in bounded time."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

# The whole exchange, name look-up and a server that answers drop by drop included: a governed
# change is refused within two seconds when Muniment cannot be reached.
DEADLINE_SECONDS = 1.8
MAX_ANSWER_BYTES = 65_536
MAX_DETAIL_CHARACTERS = 300


class MunimentUnreachable(Exception):
    """Muniment gave no usable answer in time."""

    code = "gatekeeper.unreachable"


class GrantRefused(Exception):
    """Muniment answered, and not with a yes.

    Attributes:
        status: its HTTP status, 4xx.
        detail: Muniment's reason on one line; empty if it gave none.
    """

    code = "gatekeeper.refused"

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(detail or f"HTTP status {status}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class GrantLedger:
    """Muniment's account of which grants were used, over HTTP.

    Redirects are not followed and proxies from the environment are not used: the token goes to
    the configured address or nowhere.

    Attributes:
        muniment_url: http or https, without a slash at its end.
        deadline_seconds: for one exchange, all of it.
    """

    muniment_url: str
    deadline_seconds: float = DEADLINE_SECONDS

    def reserve(self, token: str) -> None:
        """Use the grant up. After an error it may have been used up all the same.

        Raises:
            GrantRefused: Muniment says no.
            MunimentUnreachable: no answer in time, or not one of Muniment's.
        """
        self._post("reserve", token, expected="reserved")

    def confirm(self, token: str) -> None:
        """Say that the granted change was made.

        Raises:
            GrantRefused, MunimentUnreachable: as :meth:`reserve`.
        """
        self._post("confirm", token, expected="confirmed")

    def _post(self, step: str, token: str, *, expected: str) -> None:
        connection, path = open_connection(
            self.muniment_url, f"/api/v1/grants/{step}", self.deadline_seconds
        )
        answers: SimpleQueue[tuple[int, bytes] | Exception] = SimpleQueue()
        # A socket's timeout starts anew with every byte and does not cover the name look-up, so
        # the exchange runs beside the clock that is waited for here.
        thread = threading.Thread(
            target=_exchange,
            args=(connection, path, token, answers),
            name="muniment-grant",
            daemon=True,
        )
        thread.start()
        try:
            answer = answers.get(timeout=self.deadline_seconds)
        except Empty:
            raise MunimentUnreachable("no answer in time") from None
        finally:
            connection.close()
        if isinstance(answer, Exception):
            raise MunimentUnreachable(type(answer).__name__) from answer
        status, body = answer
        answered = _members(body)
        if 400 <= status < 500 and status not in {408, 429}:
            raise GrantRefused(status, _one_line(answered.get("detail")))
        if status != 200:
            raise MunimentUnreachable(f"HTTP status {status}")
        if answered.get("status") != expected:
            raise MunimentUnreachable("an answer that is not Muniment's")


def open_connection(
    muniment_url: str, path: str, timeout_seconds: float
) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection to Muniment, not made yet, and the path to ask for on it.

    Args:
        muniment_url: http or https, without a slash at its end; it may have a path of its own.
        timeout_seconds: for each step of the exchange.
    """
    parts = urlsplit(muniment_url)
    host = parts.hostname or ""
    full_path = f"{parts.path}{path}"
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=timeout_seconds, context=context
        )
        return connection, full_path
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_seconds), full_path


def _members(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _one_line(detail: object) -> str:
    if not isinstance(detail, str):
        return ""
    line = "".join(letter if letter.isprintable() else " " for letter in detail)
    return line[:MAX_DETAIL_CHARACTERS].strip().rstrip(".")


def _exchange(
    connection: http.client.HTTPConnection,
    path: str,
    token: str,
    answers: SimpleQueue[tuple[int, bytes] | Exception],
) -> None:
    try:
        connection.request(
            "POST",
            path,
            body=json.dumps({"grant": token}),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        response = connection.getresponse()
        answers.put((response.status, response.read(MAX_ANSWER_BYTES)))
    except Exception as error:  # noqa: BLE001 - the thread's edge: raised again by who waits
        answers.put(error)
