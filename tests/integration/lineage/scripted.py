"""A real HTTP server on loopback that answers as a test tells it: what MLflow must never do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived.

    `target` is the path and query, undecoded; header names are in lower case.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `claimed_length` lies about the body; `pause` waits before each byte of it."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    claimed_length: int | None = None
    pause: threading.Event | None = None


def as_json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


def mlflow_error(status: int, error_code: str, message: str) -> Answer:
    return as_json({"error_code": error_code, "message": message}, status)


Script = Callable[[Asked], Answer]


class ScriptedServer:
    """Answers with `script`; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: Script = lambda asked: Answer()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): text for name, text in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                server.asked.append(asked)
                answer = server.script(asked)
                self.send_response(answer.status)
                for name, text in answer.headers.items():
                    self.send_header(name, text)
                claimed = answer.claimed_length
                self.send_header(
                    "Content-Length", str(len(answer.body) if claimed is None else claimed)
                )
                self.end_headers()
                try:
                    if answer.pause is None:
                        self.wfile.write(answer.body)
                    else:
                        for byte in answer.body:
                            if answer.pause.wait(0.05):
                                return
                            self.wfile.write(bytes([byte]))
                except OSError:
                    return  # the client had enough

            do_GET = do_POST = answer  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing: a test's output is the test's."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer_in_turn(self, *answers: Answer) -> None:
        """Give these answers in turn, the last one from then on."""
        remaining = list(answers)
        self.script = lambda asked: remaining.pop(0) if len(remaining) > 1 else remaining[0]

    def __enter__(self) -> ScriptedServer:
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
