"""A log read from a real web server that may do anything."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from muniment.attest.errors import TileError
from muniment.attest.http_log import HttpSource, open_source, token_for
from muniment.attest.log_source import FolderSource
from muniment.attest.tiles import Tile

Answer = Callable[[BaseHTTPRequestHandler], None]


def send(body: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> Answer:
    """Answer with a body; ``length`` is a lie about it."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@dataclass
class Server:
    """What the server answers by path, and which requests it saw."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


def serve() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.seen.append((self.path, dict(self.headers)))
            with contextlib.suppress(ConnectionError):  # whoever asked has had enough
                server.answers.get(self.path, send(b"", 404))(self)

        def log_message(self, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.stopped.set()
    listener.shutdown()
    listener.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve()


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    yield from serve()


def refused(source: HttpSource, path: str = "checkpoint", max_bytes: int = 100) -> TileError:
    with pytest.raises(TileError) as caught:
        source.read(path, max_bytes)
    assert caught.value.message.startswith(f"{path}: ")
    return caught.value


@pytest.mark.parametrize("prefix", ["/log", "/log/", ""])
def test_a_file_is_read_below_the_prefix(server: Server, prefix: str) -> None:
    server.answers[f"{prefix.rstrip('/')}/tile/0/x001/000"] = send(b"content")
    assert HttpSource(server.url + prefix).read("tile/0/x001/000", 7) == b"content"


def test_gzip_is_undone_within_the_limit(server: Server) -> None:
    content = bytes(range(256)) * 8
    server.answers["/checkpoint"] = send(gzip.compress(content), Content_Encoding="gzip")
    source = HttpSource(server.url)
    assert source.read("checkpoint", len(content)) == content
    assert refused(source, max_bytes=len(content) - 1).code == "tile.too_large"


def test_a_gzip_bomb_is_left_alone(server: Server) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 60_000
    server.answers["/checkpoint"] = send(bomb, Content_Encoding="gzip")
    assert refused(HttpSource(server.url), max_bytes=1_000_000).code == "tile.too_large"


@pytest.mark.parametrize(
    "answer",
    [
        send(b"not gzip", Content_Encoding="gzip"),
        send(gzip.compress(b"x" * 90)[:-1], Content_Encoding="gzip"),
        send(gzip.compress(b"x") + b"more", Content_Encoding="gzip"),
        send(gzip.compress(b"x") * 2, Content_Encoding="gzip"),
        send(b"x", Content_Encoding="br"),
        send(b"short", length=50),
        send(b"", 500),
        send(b"", 418),
        lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"),
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X" * 70_000 + b": y\r\n"),
        lambda handler: handler.wfile.write(b""),
        lambda handler: handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        ),
        lambda handler: handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
        ),
    ],
    ids=["no gzip", "cut gzip", "after gzip", "twice gzip", "br", "short", "500", "418", "no http",
         "header", "silence", "chunk", "cut chunk"],
)  # fmt: skip
def test_a_strange_answer_is_refused(server: Server, answer: Answer) -> None:
    server.answers["/checkpoint"] = answer
    assert refused(HttpSource(server.url)).code == "tile.unreadable"


def test_an_oversized_answer_is_refused_whatever_its_length_says(server: Server) -> None:
    source = HttpSource(server.url)
    server.answers["/checkpoint"] = send(b"x" * 101)
    assert refused(source).code == "tile.too_large"

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.stopped.is_set():
            handler.wfile.write(b"x" * 4096)

    server.answers["/checkpoint"] = endless
    assert refused(source, max_bytes=1_000_000).code == "tile.too_large"


def test_a_slow_server_is_given_up(server: Server) -> None:
    """Each byte comes in time; together they never would."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        while not server.stopped.wait(0.02):
            handler.wfile.write(b"x")

    server.answers["/checkpoint"] = drip
    server.answers["/silent"] = lambda handler: server.stopped.wait(30) and None
    source = HttpSource(server.url, timeout_seconds=0.3)
    assert refused(source).code == "tile.unreadable"
    assert refused(source, "silent").code == "tile.unreadable"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(
    server: Server, elsewhere: Server, status: int
) -> None:
    server.answers["/checkpoint"] = send(b"", status, Location=f"{elsewhere.url}/checkpoint")
    elsewhere.answers["/checkpoint"] = send(b"content")
    assert refused(HttpSource(server.url, "secret")).code == "tile.redirect"
    assert elsewhere.seen == []


@pytest.mark.parametrize("status", [401, 403])
def test_where_a_token_is_wanted_it_is_said_how_it_is_given(server: Server, status: int) -> None:
    server.answers["/checkpoint"] = send(b"", status)
    error = refused(HttpSource(server.url, "secret"))
    assert (error.code, "secret" in error.message) == ("tile.refused", False)
    assert "MUNIMENT_TOKEN" in error.message


def test_a_missing_file_is_missing_and_a_partial_tile_has_its_full_one(server: Server) -> None:
    source = HttpSource(server.url)
    assert refused(source).code == "tile.missing"
    server.answers["/tile/0/000"] = send(bytes(range(256)) * 32)
    assert source.tile(Tile(0, 0, 3)) == (bytes(range(256)) * 32)[:96]
    assert [path for path, _ in server.seen[-2:]] == ["/tile/0/000.p/3", "/tile/0/000"]
    server.answers["/tile/0/000.p/3"] = send(b"", 500)
    with pytest.raises(TileError, match="answered 500"):
        source.tile(Tile(0, 0, 3))


def test_nobody_listening_is_a_refusal(server: Server) -> None:
    assert refused(HttpSource("http://127.0.0.1:1")).code == "tile.unreadable"
    assert refused(HttpSource("http://absent.invalid")).code == "tile.unreadable"


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://host/log", "http://", "https:///log", "http://a:b@host/log",
     "http://host:port/log", "http://host/log?x=1", "http://host/log#x", "http://ho st/log",
     "http://host/lög", "http://host/\r\nX: y", "", "log"],
)  # fmt: skip
def test_what_is_no_address_of_a_log_is_refused(address: str) -> None:
    with pytest.raises(TileError) as caught:
        HttpSource(address)
    assert caught.value.code == "tile.address"


@pytest.mark.parametrize("path", ["../x", "/x", "x?y", "x#y", "x y", "x\r\ny", "%2e%2e/x"])
def test_a_path_is_a_logs_file_here_too(server: Server, path: str) -> None:
    with pytest.raises(TileError) as caught:
        HttpSource(server.url).read(path, 9)
    assert caught.value.code == "tile.path"
    assert server.seen == []


def test_the_token_is_for_its_own_origin_alone(server: Server, elsewhere: Server) -> None:
    environment = {"MUNIMENT_URL": f"{server.url}/", "MUNIMENT_TOKEN": "secret"}
    for place in (server, elsewhere):
        place.answers["/log/checkpoint"] = send(b"content")
        open_source(f"{place.url}/log/", environment).checkpoint()
    assert server.seen[0][1]["Authorization"] == "Bearer secret"
    assert "Authorization" not in elsewhere.seen[0][1]


@pytest.mark.parametrize(
    ("ours", "base", "is_sent"),
    [
        ("https://a.test", "https://a.test/log", True),
        ("https://A.test:443/x/", "https://a.test/log/", True),
        ("https://a.test", "https://a.test:444/log", False),
        ("https://a.test", "http://a.test/log", False),
        ("https://a.test", "https://a.test.evil/log", False),
        ("https://a.test", "https://evil/a.test", False),
        ("https://a.test", "https://a.test@evil/log", False),
        ("https://a.test@evil", "https://evil/log", False),
        ("http://localhost:8000", "http://127.0.0.1:8000/log", False),
        ("", "https://a.test/log", False),
        ("nonsense", "nonsense", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(ours: str, base: str, is_sent: bool) -> None:
    environment = {"MUNIMENT_URL": ours, "MUNIMENT_TOKEN": "secret"}
    assert token_for(base, environment) == ("secret" if is_sent else None)
    assert token_for(base, {"MUNIMENT_URL": ours}) is None


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ä"])
def test_what_is_no_token_is_not_sent(token: str) -> None:
    environment = {"MUNIMENT_URL": "http://a.test", "MUNIMENT_TOKEN": token}
    assert token_for("http://a.test/log", environment) is None


def test_what_is_no_address_is_a_folder(tmp_path: object) -> None:
    assert isinstance(open_source(str(tmp_path), {}), FolderSource)
    assert isinstance(open_source("HTTPS://a.test/log", {}), HttpSource)


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(HttpSource("http://a.test", "secret"))
