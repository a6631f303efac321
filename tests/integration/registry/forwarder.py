"""A proxy on loopback before a real MLflow, or a real Muniment: it counts, and it can fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from muniment.grant import HEADER

_SET_ALIAS = "POST /api/2.0/mlflow/registered-models/alias"
RETRY_AFTER_SECONDS = 1


class Forwarder:
    """Passes every request on.

    Args:
        target: whom it passes them on to.
        port: where it listens; any free port without one.

    Attributes:
        drop_before: requests of this line (method and path) never reach the target.
        drop_after: they reach it, and its answer never comes back.
        on_drop: called first, while who asked still waits: the moment to kill somebody.
        turned_away: so many requests from now on are answered 429 instead of passed on.
        grants: the tokens that came with requests, in order.
        authorizations: the credentials likewise.
    """

    def __init__(self, target: str, *, port: int = 0) -> None:
        self.drop_before = self.drop_after = ""
        self.on_drop: Callable[[], None] = lambda: None
        self.turned_away = 0
        self.grants: list[str] = []
        self.authorizations: list[str] = []
        self._seen: list[str] = []
        forwarder = self
        upstream = httpx.Client(base_url=target, timeout=30, trust_env=False)

        class Handler(BaseHTTPRequestHandler):
            def forward(self) -> None:
                line = f"{self.command} {urlsplit(self.path).path}"
                forwarder._seen.append(line)
                if "Authorization" in self.headers:
                    forwarder.authorizations.append(self.headers["Authorization"])
                if HEADER in self.headers:
                    forwarder.grants.append(self.headers[HEADER])
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if forwarder.turned_away:
                    forwarder.turned_away -= 1
                    self.send_response(429)
                    self.send_header("Retry-After", str(RETRY_AFTER_SECONDS))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if line == forwarder.drop_before:
                    forwarder.on_drop()
                    return
                answer = upstream.request(
                    self.command, self.path, content=body, headers=dict(self.headers)
                )
                if line == forwarder.drop_after:
                    forwarder.on_drop()
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing: a test's output is the test's."""

        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self) -> list[str]:
        """Return the requests seen since the last time, each as method and path."""
        seen, self._seen = self._seen, []
        return seen

    def lose_alias_requests(self) -> None:
        """From now on, a request to set an alias is lost before MLflow sees it."""
        self.drop_before = _SET_ALIAS

    def lose_alias_answers(self) -> None:
        """From now on, MLflow sets the alias and the answer is lost."""
        self.drop_after = _SET_ALIAS

    def heal(self) -> None:
        """Pass everything on again."""
        self.drop_before = self.drop_after = ""
        self.turned_away = 0

    def __enter__(self) -> Forwarder:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._upstream.close()
