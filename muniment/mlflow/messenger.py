"""Telling Muniment what was refused: beside MLflow's calls, never in them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from muniment.mlflow.reservation import MAX_ANSWER_BYTES, open_connection
from muniment.mlflow.rules import MAX_SHOWN_CHARACTERS
from muniment.mlflow.settings import Settings

logger = logging.getLogger("muniment.mlflow")

PATH = "/hooks/gatekeeper"
WINDOW_SECONDS = 60.0
GUARDING_SECONDS = 3600.0
CAPACITY = 256
TIMEOUT_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
# A message that Muniment fails on again and again must not hold up those behind it for ever.
MOST_FAILURES = 4


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """A call that was refused, as Muniment is told of it.

    Attributes:
        method: of the registry store, or ``write_artifact`` or ``delete_artifact``.
        model: empty where the refused method names none.
        version: a number, or empty.
        why: the gatekeeper's own words, without anything that the caller sent.
        user: as MLflow's basic-auth knows the caller; empty where nobody signed in.
    """

    method: str
    model: str
    version: str
    alias: str
    why: str
    user: str

    @property
    def kind(self) -> tuple[str, str, str]:
        """Return what makes two refusals the same to the log."""
        return self.model, self.method, self.user


@dataclass(slots=True)
class _Tally:
    """Refusals of one kind that Muniment was not told of yet: the first, and how many."""

    refused: RefusedChange
    first_at: datetime
    last_at: datetime
    count: int = 1


class Messenger:
    """Sends signed messages from a thread of its own, in the order in which they fall due.

    Laws: telling it something takes no longer than a dictionary's look-up and never raises; it
    holds at most ``capacity`` kinds of refusal, and counts what it drops; of one kind it sends one
    message in ``window_seconds``, with how many refusals it stands for. A message that is not
    taken is sent again under the same id, with pauses that grow to a minute; what is unsent when
    the process ends stands in the server's own log only.

    Args:
        muniment_url: http or https, without a slash at its end.
        secret: shared with Muniment; signs what is sent.
        source: this registry's name in Muniment.
    """

    def __init__(
        self,
        muniment_url: str,
        secret: str,
        source: str,
        *,
        window_seconds: float = WINDOW_SECONDS,
        capacity: int = CAPACITY,
    ) -> None:
        self._url = muniment_url
        self._secret = secret.encode()
        self._source = source
        self._window_seconds = window_seconds
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: dict[tuple[str, str, str], _Tally] = {}
        self._quiet_until: dict[tuple[str, str, str], float] = {}
        self._sign_of_life: dict[str, str] | None = None
        self._sign_due = 0.0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, settings: Settings) -> Messenger | None:
        """Return the one that the settings ask for: they name an address and a secret, or none."""
        if settings.muniment_url is None or not settings.secret:
            return None
        return cls(settings.muniment_url, settings.secret, settings.source)

    def tell_guarding(self, mlflow_version: str) -> None:
        """Say that the store guards its registry: now, and every hour while the process lives."""
        with self._changed:
            self._sign_of_life = {"event": "store.guarding", "mlflow_version": mlflow_version}
            self._wake()

    def tell_refusal(self, refused: RefusedChange) -> None:
        """Say that a change was refused; one like it that still waits is counted instead."""
        now = datetime.now(UTC)
        with self._changed:
            tally = self._waiting.get(refused.kind)
            if tally is not None:
                tally.count += 1
                tally.last_at = now
                return
            if len(self._waiting) >= self._capacity:
                self._dropped += 1
                return
            self._waiting[refused.kind] = _Tally(refused, now, now)
            self._wake()

    def _wake(self) -> None:
        # Started when first needed, and again in a process that was forked: threads stay behind.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="muniment-messages", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no more threads to be had; the next message tries again
                self._thread = None
        self._changed.notify()

    def _run(self) -> None:
        while True:
            message, dropped = self._next()
            is_taken = self._deliver({**message, "source": self._source, "dropped": dropped})
            with self._changed:
                self._dropped += -dropped if is_taken else 1

    def _next(self) -> tuple[dict[str, Any], int]:
        """Wait for the next message that is due, and take it."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._sign_of_life is not None and self._sign_due <= now:
                    self._sign_due = now + GUARDING_SECONDS
                    return dict(self._sign_of_life), self._dropped
                self._quiet_until = {
                    kind: until for kind, until in self._quiet_until.items() if until > now
                }
                due = next((kind for kind in self._waiting if kind not in self._quiet_until), None)
                if due is not None:
                    self._quiet_until[due] = now + self._window_seconds
                    return _refusal_message(self._waiting.pop(due)), self._dropped
                pauses = [self._quiet_until[kind] - now for kind in self._waiting]
                if self._sign_of_life is not None:
                    pauses.append(self._sign_due - now)
                self._changed.wait(min(pauses, default=None))

    def _deliver(self, message: dict[str, Any]) -> bool:
        """Send until it is taken, or has to be given up; return whether it was taken.

        Given up is what Muniment refuses, or fails on. While it is away, or a proxy before it says
        so (502, 503, 504), the message is kept.
        """
        body = json.dumps(message).encode()
        delivery_id = str(uuid4())
        pause, failures = 1.0, 0
        while True:
            try:
                status = self._post(delivery_id, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = type(error).__name__
            else:
                if status == 202:
                    return True
                problem = f"HTTP status {status}"
                failures += status == 500
                is_final = 400 <= status < 500 and status not in {408, 429}
                if is_final or failures == MOST_FAILURES:
                    logger.error("Muniment does not take what it is told (%s)", problem)
                    return False
            if pause == 1.0:
                logger.warning("Muniment could not be told of a refusal yet (%s)", problem)
            with self._changed:
                self._changed.wait(pause)  # something new to tell is a reason to try at once
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _post(self, delivery_id: str, body: bytes) -> int:
        timestamp = str(int(time.time()))
        signed = f"{delivery_id}.{timestamp}.".encode() + body
        signature = base64.b64encode(hmac.new(self._secret, signed, hashlib.sha256).digest())
        connection, path = open_connection(self._url, PATH, TIMEOUT_SECONDS)
        try:
            connection.request(
                "POST",
                path,
                body=body,
                headers={
                    "Content-Type": "application/json",
                    "X-Muniment-Delivery-Id": delivery_id,
                    "X-Muniment-Timestamp": timestamp,
                    "X-Muniment-Signature": f"v1,{signature.decode()}",
                },
            )
            response = connection.getresponse()
            response.read(MAX_ANSWER_BYTES)
            return response.status
        finally:
            connection.close()


def _refusal_message(tally: _Tally) -> dict[str, Any]:
    return {
        "event": "change.refused",
        **asdict(tally.refused),
        "count": tally.count,
        "first_at": tally.first_at.isoformat(),
        "last_at": tally.last_at.isoformat(),
    }


def printable(text: str) -> str:
    """Return what a stranger sent as text that can be stored anywhere, and not a megabyte of it."""
    shown = text[:MAX_SHOWN_CHARACTERS]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in shown)
