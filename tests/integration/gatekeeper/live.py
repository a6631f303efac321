"""What the gatekeeper's tests talk to: MLflow over HTTP, and Muniment's ledger of grants."""

from __future__ import annotations

import itertools
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from muniment.attest.envelope import EnvelopeSigner, load_file_signer
from muniment.attest.keys import public_key_pem_of
from muniment.grant import HEADER, GrantError, read_grant


@dataclass(frozen=True)
class GrantKey:
    """A grant key pair: the signer, and the file that the MLflow server is given."""

    signer: EnvelopeSigner
    public_key_pem: str
    public_key_file: Path

    @classmethod
    def make(cls, folder: Path) -> GrantKey:
        folder.mkdir(parents=True, exist_ok=True)
        private = folder / "grant.key"
        private.write_bytes(
            Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
        )
        signer = load_file_signer(f"file2:{private}")
        public = folder / "grant.pub"
        public.write_text(public_key_pem_of(signer))
        return cls(signer, public.read_text(), public)


class GrantCounter:
    """Muniment's two endpoints as the contract has them, with real signatures and accounting.

    ``fault`` makes it break: ``hang``, ``drip``, ``redirect``, ``garbage``, ``error``,
    ``confirm-error``.
    """

    def __init__(self, public_key_pem: str) -> None:
        self.public_key_pem = public_key_pem
        self.states: dict[UUID, str] = {}
        self.requests = 0
        self.fault = ""
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/muniment"

    def start(self) -> None:
        counter = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                counter.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Endpoint)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        content = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self._lock:
            self.requests += 1
        step = request.path.removeprefix("/muniment/api/v1/grants/")
        if self._break(request, step):
            return
        status, body = self._account(step, content["grant"])
        self._send(request, status, json.dumps(body).encode())

    def _account(self, step: str, token: str) -> tuple[int, dict[str, str]]:
        try:
            grant = read_grant(token, self.public_key_pem, now=datetime.now(UTC))
        except GrantError as error:
            return 403, {"code": error.code, "detail": str(error)}
        needed, becomes = {"reserve": (None, "reserved"), "confirm": ("reserved", "confirmed")}[
            step
        ]
        with self._lock:
            if self.states.get(grant.grant_id) != needed:
                return 409, {"code": "grant_refused", "detail": "This grant was\nused before."}
            self.states[grant.grant_id] = becomes
        return 200, {"status": becomes}

    def _break(self, request: BaseHTTPRequestHandler, step: str) -> bool:
        match self.fault:
            case "hang":
                self.released.wait(20)
            case "drip":
                request.wfile.write(b"HTTP/1.0 200 OK\r\n")
                while not self.released.wait(0.2):
                    request.wfile.write(b"X-Drop: 1\r\n")
            case "redirect":
                request.send_response(307)
                request.send_header("Location", f"{self.url}/elsewhere")
                request.end_headers()
            case "garbage":
                self._send(request, 200, b"<html>welcome to the captive portal</html>")
            case "error":
                self._send(request, 503, b"{}")
            case "confirm-error" if step == "confirm":
                self._send(request, 503, b"{}")
            case _:
                return False
        return True

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of MLflow's."""

    status: int
    content: dict[str, Any]

    @property
    def error_code(self) -> str:
        return str(self.content.get("error_code", ""))

    @property
    def message(self) -> str:
        return str(self.content.get("message", ""))


@dataclass
class MlflowServer:
    """A running MLflow server and plain HTTP to it."""

    url: str
    log_file: Path
    database: Path
    names: Iterator[int] = field(default_factory=itertools.count)

    def call(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        prefix: str = "/api/2.0/mlflow",
        headers: tuple[tuple[str, str], ...] = (),
        raw: bytes | None = None,
    ) -> Answer:
        body = raw if raw is not None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}{prefix}{path}", body, method=method)
        request.add_header("Content-Type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, _parsed(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _parsed(error.read()))

    def set_alias(
        self,
        name: str,
        alias: str = "champion",
        version: str = "1",
        *,
        token: str | None = None,
        prefix: str = "/api/2.0/mlflow",
    ) -> Answer:
        return self.call(
            "POST",
            "/registered-models/alias",
            {"name": name, "alias": alias, "version": version},
            prefix=prefix,
            headers=((HEADER, token),) if token is not None else (),
        )

    def aliases(self, name: str) -> dict[str, str]:
        query = urllib.parse.urlencode({"name": name})
        with urllib.request.urlopen(
            f"{self.url}/api/2.0/mlflow/registered-models/get?{query}", timeout=30
        ) as response:
            listed = json.load(response)["registered_model"].get("aliases", [])
        return {item["alias"]: item["version"] for item in listed}

    def new_model(self, prefix: str = "gov-model", versions: int = 2) -> str:
        """Register a model with versions the way training code does, and return its name."""
        name = f"{prefix}-{next(self.names)}"
        assert self.call("POST", "/registered-models/create", {"name": name}).status == 200
        for _ in range(versions):
            created = self.call(
                "POST", "/model-versions/create", {"name": name, "source": "s3://bucket/model"}
            )
            assert created.status == 200, created
        return name


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
