"""Ask one address again and again over connections that stay open; used by `gate`.

A process of its own, so that what it needs is no server's: `python -m benchmarks.http_load` reads
`{"url", "headers", "connections", "seconds", "says"}` from standard input, and writes
`{"requests", "elapsed_seconds", "milliseconds"}`. Every answer must be 200 and hold `says`.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

WARM_UP = 30


class Load:
    """What is asked, and what came of it."""

    def __init__(self, order: dict[str, object]) -> None:
        self._url = urlsplit(str(order["url"]))
        self._target = self._url.path + (f"?{self._url.query}" if self._url.query else "")
        self._headers: dict[str, str] = dict(order["headers"])  # type: ignore[call-overload]
        self._says = str(order["says"]).encode()
        self._seconds = float(str(order["seconds"]))
        connections = int(str(order["connections"]))
        self._warm = threading.Barrier(connections, action=self._start)
        self._threads = [threading.Thread(target=self._ask) for _ in range(connections)]
        self._until = 0.0
        self._started = 0.0
        self.milliseconds: list[float] = []
        self.failures: list[str] = []

    def run(self) -> dict[str, object]:
        """Ask for as long as was ordered; time counts when every connection is warm."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise SystemExit(self.failures[0])
        return {
            "requests": len(self.milliseconds),
            "elapsed_seconds": time.perf_counter() - self._started,
            "milliseconds": self.milliseconds,
        }

    def _start(self) -> None:
        self._started = time.perf_counter()
        self._until = self._started + self._seconds

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(str(self._url.hostname), self._url.port)
        try:
            for _ in range(WARM_UP):
                self._once(connection)
            self._warm.wait()
            took = []
            while time.perf_counter() < self._until:
                took.append(self._once(connection))
            self.milliseconds += took
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.failures.append(f"{self._url.geturl()}: {error!r}")
            self._warm.abort()
        except threading.BrokenBarrierError:
            pass  # another connection has said why
        finally:
            connection.close()

    def _once(self, connection: http.client.HTTPConnection) -> float:
        started = time.perf_counter()
        connection.request("GET", self._target, headers=self._headers)
        answer = connection.getresponse()
        body = answer.read()
        elapsed = time.perf_counter() - started
        if answer.status != 200 or self._says not in body:
            raise ValueError(f"answered {answer.status}: {body[:200]!r}")
        return elapsed * 1000


if __name__ == "__main__":
    print(json.dumps(Load(json.load(sys.stdin)).run()))
