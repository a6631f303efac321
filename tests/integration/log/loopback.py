"""An HTTP server on loopback that answers as it is told to, byte by byte if need be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """What is answered. Of a dripping one a byte comes every 50 ms, headers included."""

    status: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drips: bool = False


class Loopback:
    """A running server.

    Attributes:
        respond: is asked with the path and the body of each POST; may be replaced.
        asked: how often it was.
    """

    def __init__(self, respond: Callable[[str, bytes], Reply], port: int = 0) -> None:
        self.respond = respond
        self.asked = 0
        self._stopping = threading.Event()
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                loopback.asked += 1
                reply = loopback.respond(self.path, body)
                if reply.drips:
                    self.close_connection = True
                    loopback._drip(self)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 4000:
            try:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
            except OSError:
                return
            if self._stopping.wait(0.05):
                return


@contextmanager
def serving(respond: Callable[[str, bytes], Reply]) -> Iterator[Loopback]:
    """Serve on a free port for as long as the block runs."""
    server = Loopback(respond)
    try:
        yield server
    finally:
        server.stop()
