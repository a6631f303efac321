"""``muniment rollback`` at a live MLflow server, with no Muniment anywhere."""

from __future__ import annotations

import io
import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from muniment.cli import main
from tests.integration.gatekeeper.live import GrantCounter, GrantKey, MlflowServer

pytestmark = pytest.mark.timeout(180)

MakeToken = Callable[..., str]
BACK = {"operation": "rollback_alias", "version": "1", "from_version": "2"}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def name(guarded_mlflow: MlflowServer) -> str:
    name = guarded_mlflow.new_model()
    put_alias(guarded_mlflow, name, 2)
    return name


@pytest.fixture
def run(
    guarded_mlflow: MlflowServer,
    counter: GrantCounter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Run the command on a token while Muniment is down."""
    for variable in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{variable}", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", guarded_mlflow.url)
    file = tmp_path / "grant"

    def run(token: str, *arguments: str) -> tuple[int, str, str]:
        file.write_text(f"{token}\n")
        status = main(["rollback", str(file), *arguments])
        return status, *capsys.readouterr()

    counter.stop()
    yield run
    counter.start()


def put_alias(server: MlflowServer, name: str, version: int) -> None:
    with sqlite3.connect(server.database, timeout=20) as database:
        database.execute(
            "INSERT OR REPLACE INTO registered_model_aliases (workspace, name, alias, version)"
            " VALUES ('default', ?, 'champion', ?)",
            (name, version),
        )


def test_it_puts_the_alias_back_and_says_so_when_it_is_run_again(
    run: Run, guarded_mlflow: MlflowServer, make_token: MakeToken, name: str
) -> None:
    token = make_token(name, **BACK)
    status, out, err = run(token)
    assert status == 0, err
    assert f"champion of {name} is version 1 again." in out
    assert f"champion of {name} goes back from version 2 to 1 in {guarded_mlflow.url}" in err
    assert token not in out + err
    assert guarded_mlflow.aliases(name) == {"champion": "1"}
    status, out, _ = run(token)
    assert (status, out) == (0, f"champion of {name} is version 1 already.\n")


def test_as_json_it_prints_one_document(run: Run, make_token: MakeToken, name: str) -> None:
    token = make_token(name, **BACK)
    status, out, _ = run(token, "--json")
    said = json.loads(out)
    assert (status, said["outcome"], said["to_version"]) == (0, "moved", "1")
    assert json.loads(run(token, "--json")[1])["outcome"] == "already_there"
    assert json.loads(run("e30", "--json")[1])["error"]["code"] == "usage"


def test_it_reads_the_grant_from_standard_input_too(
    run: Run, make_token: MakeToken, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(make_token(name, **BACK)))
    assert main(["rollback", "-"]) == 0


def test_what_the_store_refuses_it_says_and_fails(
    run: Run, guarded_mlflow: MlflowServer, make_token: MakeToken, name: str, tmp_path: Path
) -> None:
    forged = make_token(name, **BACK, signer=GrantKey.make(tmp_path / "stranger").signer)
    status, _, err = run(forged)
    assert status == 1
    assert "not signed by Muniment's grant key" in err
    token = make_token(name, **BACK)
    assert run(token)[0] == 0
    put_alias(guarded_mlflow, name, 2)
    status, _, err = run(token)
    assert status == 1
    assert "was used before" in err
    assert guarded_mlflow.aliases(name) == {"champion": "2"}


def test_what_cannot_work_is_not_sent_at_all(
    run: Run, guarded_mlflow: MlflowServer, make_token: MakeToken, name: str
) -> None:
    expired = make_token(name, **BACK, expires_at=datetime.now(UTC) - timedelta(days=1))
    status, _, err = run(expired)
    assert status == 1
    assert "the grant expired at" in err
    elsewhere = make_token(name, **BACK | {"version": "1", "from_version": "3"})
    status, _, err = run(elsewhere)
    assert status == 1
    assert "points to version 2, and the grant holds only while it points to version 3" in err
    status, _, err = run(make_token("gov-nowhere", **BACK))
    assert status == 1
    assert "gov-nowhere" in err
    assert guarded_mlflow.aliases(name) == {"champion": "2"}


def test_what_is_no_rollback_grant_is_a_mistake_of_usage(
    run: Run, make_token: MakeToken, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for token, words in (
        ("", "holds no grant"),
        ("not a token", "holds no grant"),
        (make_token(name), "not for a rollback"),
    ):
        status, _, err = run(token)
        assert status == 2
        assert words in err
    assert main(["rollback", str(tmp_path / "nothing")]) == 2
    for address in ("", "ftp://mlflow", "http://me:secret@mlflow:5000"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        status, _, err = run(make_token(name, **BACK))
        assert status == 2
        assert "secret" not in err


def test_a_server_that_is_not_there_or_is_not_mlflow(
    run: Run, make_token: MakeToken, name: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        status, _, err = run(make_token(name, **BACK), "--mlflow", f"http://127.0.0.1:{port}")
    assert status == 5
    assert "cannot reach" in err


class _Stranger(BaseHTTPRequestHandler):
    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        type(self).asked.append(dict(self.headers))
        if "elsewhere" in self.path:
            return self._send(200, b"{}")
        return self._send(*self.server.answer)  # type: ignore[attr-defined]

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((200, b"<html>"), 5),
        ((200, b"[]"), 5),
        ((200, b"{}"), 5),
        ((302, b""), 5),
        ((500, b"{}"), 5),
        ((401, b"who are you?"), 4),
        ((403, b"Permission denied"), 4),
    ],
)
def test_a_stranger_gets_no_grant_and_is_not_followed(
    answer: tuple[int, bytes],
    status: int,
    run: Run,
    make_token: MakeToken,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "operator")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "opensesame")
    _Stranger.asked = []
    with HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        server.answer = answer  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        token = make_token(name, **BACK)
        got, out, err = run(token, "--mlflow", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert got == status, err
    (asked,) = _Stranger.asked
    assert asked["Authorization"] == "Basic b3BlcmF0b3I6b3BlbnNlc2FtZQ=="
    assert "Muniment-Grant" not in asked
    assert "opensesame" not in out + err
