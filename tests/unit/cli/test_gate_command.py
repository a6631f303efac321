"""``muniment gate`` against a real HTTP server on loopback that says what each test needs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Done, Muniment

TOKEN = "secret-token"


class Gate(ThreadingHTTPServer):
    """Gives its answers one after another, the last one for ever, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def will_answer(self, *documents: Any, status: int = 200, **headers: str) -> None:
        for document in documents:
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.answers.append((status, headers, content))


class Answering(BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        answers = self.server.answers
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing: the test's own output is read."""


@pytest.fixture
def gate() -> Iterator[Gate]:
    server = Gate()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def answer(decision: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "decision": decision,
        "policy": {"name": "credit-decision", "version": "1", "digest": "sha256:00"},
        "reasons": [] if decision == "allow" else ["0 of 2 approvals are signed."],
        "checks": [
            {"id": "a", "conclusion": "satisfied", "title": "Lineage complete", "reason": "it is"},
            {
                "id": "b",
                "conclusion": "unsatisfied",
                "title": "Impact ratio by race",
                "reason": "below four fifths",
                "expected": 0.8,
                "actual": 0.774,
                "remedy": {"who": "whoever trains", "what": "Train.", "command": "train me"},
            },
        ],
        "links": {"page": "http://localhost/models/loan/1"},
    }


def ask(muniment: Muniment, gate: Gate, *more: object, **env: str) -> Done:
    environment = {"MUNIMENT_URL": gate.url, "MUNIMENT_TOKEN": TOKEN, **env}
    return muniment("gate", "loan", "1", "--alias", "champion", *more, env=environment)


@pytest.mark.parametrize(("decision", "status"), [("allow", 0), ("deny", 1), ("pending", 3)])
def test_each_decision_has_its_exit_status(
    muniment: Muniment, gate: Gate, decision: str, status: int
) -> None:
    gate.will_answer(answer(decision))
    done = ask(muniment, gate)
    assert done.returncode == status
    assert done.stdout.startswith(f"{decision.upper()}  loan version 1 for champion\n")
    done = ask(muniment, gate, "--json")
    assert done.returncode == status
    assert json.loads(done.stdout) == answer(decision)


def test_what_stands_in_the_way_is_printed_first_with_its_numbers(
    muniment: Muniment, gate: Gate
) -> None:
    gate.will_answer(answer("deny"))
    lines = ask(muniment, gate).stdout.splitlines()
    assert lines[2] == "because 0 of 2 approvals are signed."
    assert lines[3].split() == ["unsatisfied", "Impact", "ratio", "by", "race"]
    assert lines[5].strip() == "expected 0.8, actual 0.774"
    assert [line.strip() for line in lines[6:8]] == ["whoever trains: Train.", "train me"]
    assert lines[8].split()[0] == "satisfied"


def test_the_request_is_the_contracts(muniment: Muniment, gate: Gate) -> None:
    gate.will_answer(answer("allow"))
    environment = {"MUNIMENT_URL": gate.url + "/", "MUNIMENT_TOKEN": TOKEN}
    done = muniment("gate", "a/b é?", "1", "--alias", "champion", env=environment)
    assert done.returncode == 0
    assert gate.asked == [
        ("/api/v1/models/a%2Fb%20%C3%A9%3F/versions/1/gate?alias=champion", f"Bearer {TOKEN}")
    ]


def test_the_token_is_never_printed(muniment: Muniment, gate: Gate) -> None:
    gate.will_answer({"title": "Forbidden", "detail": "no"}, status=403)
    done = ask(muniment, gate, "--json")
    assert TOKEN not in done.stdout + done.stderr


def test_waiting_ends_when_the_answer_comes(muniment: Muniment, gate: Gate) -> None:
    gate.will_answer(answer("pending"), answer("allow"))
    done = ask(muniment, gate, "--wait", 30)
    assert done.returncode == 0
    assert len(gate.asked) == 2
    assert "pending" in done.stderr


def test_waiting_in_vain_exits_3(muniment: Muniment, gate: Gate) -> None:
    gate.will_answer(answer("pending"))
    assert ask(muniment, gate, "--wait", 1).returncode == 3
    assert len(gate.asked) >= 2


def test_a_busy_server_is_asked_again_while_waiting(muniment: Muniment, gate: Gate) -> None:
    gate.will_answer({"title": "Busy"}, status=503)
    gate.will_answer(answer("deny"))
    assert ask(muniment, gate, "--wait", 30).returncode == 1


@pytest.mark.parametrize(
    ("status", "exit_status"), [(401, 4), (403, 4), (404, 5), (400, 5), (500, 5), (503, 5)]
)
def test_no_decision_is_never_an_allow(
    muniment: Muniment, gate: Gate, status: int, exit_status: int
) -> None:
    gate.will_answer({"title": "Title", "detail": "What went wrong.", "decision": "allow"},
                     status=status)  # fmt: skip
    done = ask(muniment, gate)
    assert done.returncode == exit_status
    assert "What went wrong." in done.stderr
    assert done.stdout == ""
    error = json.loads(ask(muniment, gate, "--json").stdout)["error"]
    assert error["code"] == ("authentication" if exit_status == 4 else "server")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"{}", b'{"decision": true}', b'{"decision": "ALLOW"}',
     b'{"decision": ["allow"]}', b"[" * 100_000],
)  # fmt: skip
def test_an_answer_that_is_not_understood_exits_5(
    muniment: Muniment, gate: Gate, content: bytes
) -> None:
    gate.will_answer(content)
    done = ask(muniment, gate)
    assert done.returncode == 5
    assert "Traceback" not in done.stderr


def test_a_redirect_does_not_take_the_token_along(muniment: Muniment, gate: Gate) -> None:
    gate.will_answer(b"", status=302, Location=f"{gate.url}/elsewhere")
    assert ask(muniment, gate).returncode == 5
    assert len(gate.asked) == 1


def test_an_unreachable_server_exits_5(muniment: Muniment) -> None:
    environment = {"MUNIMENT_URL": "http://127.0.0.1:1", "MUNIMENT_TOKEN": TOKEN}
    done = muniment("gate", "m", "1", "--alias", "champion", "--json", env=environment)
    assert done.returncode == 5
    assert json.loads(done.stdout)["error"]["code"] == "network"


@pytest.mark.parametrize("url", ["", "localhost:8000", "file:///etc/passwd", "ftp://x"])
def test_without_an_address_it_is_a_usage_error(muniment: Muniment, url: str) -> None:
    environment = {"MUNIMENT_URL": url, "MUNIMENT_TOKEN": TOKEN}
    done = muniment("gate", "m", "1", "--alias", "champion", "--json", env=environment)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "usage"


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak"])
def test_without_a_token_it_is_an_authentication_error(muniment: Muniment, token: str) -> None:
    environment = {"MUNIMENT_URL": "http://127.0.0.1:1", "MUNIMENT_TOKEN": token}
    done = muniment("gate", "m", "1", "--alias", "champion", env=environment)
    assert done.returncode == 4


def test_the_address_of_a_running_instance_is_found_by_its_home(
    muniment: Muniment, gate: Gate, tmp_path: Path
) -> None:
    gate.will_answer(answer("allow"))
    (tmp_path / "env.json").write_text(json.dumps({"MUNIMENT_URL": gate.url}))
    environment = {"MUNIMENT_HOME": str(tmp_path), "MUNIMENT_TOKEN": TOKEN}
    command = ("gate", "loan", "1", "--alias", "champion")
    assert muniment(*command, env=environment).returncode == 0
    (tmp_path / "env.json").write_text("nonsense")
    done = muniment(*command, env=environment)
    assert done.returncode == 2
    assert "MUNIMENT_HOME" in done.stderr


def test_outputs_are_written_to_files(muniment: Muniment, gate: Gate, tmp_path: Path) -> None:
    gate.will_answer(answer("deny"))
    done = ask(muniment, gate, "--output", "json=gate.json", "--output", "text=gate.txt")
    assert done.returncode == 1
    assert json.loads((tmp_path / "gate.json").read_text()) == answer("deny")
    assert (tmp_path / "gate.txt").read_text().startswith("DENY")
    assert done.stdout.startswith("DENY")


def test_an_output_that_cannot_be_written_is_not_an_allow(muniment: Muniment, gate: Gate) -> None:
    gate.will_answer(answer("allow"))
    done = ask(muniment, gate, "--output", "json=no/such/folder/gate.json", "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["error"]["code"] == "output"


def test_the_servers_words_cannot_colour_the_terminal(muniment: Muniment, gate: Gate) -> None:
    document = answer("deny")
    document["checks"][0]["reason"] = "\x1b[2Jgone"
    gate.will_answer(document)
    assert "\x1b" not in ask(muniment, gate).stdout
