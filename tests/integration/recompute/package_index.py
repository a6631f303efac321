"""A package index on this machine, with wheels made on the spot."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import TracebackType


def make_wheel(name: str, version: str, files: dict[str, str]) -> bytes:
    """Return a wheel for any Python that holds these files."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        rows.append(f"{path},sha256={digest.decode()},{len(text.encode())}\n")
    rows.append(f"{info}/RECORD,,\n")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as wheel:
        for path, text in contents.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", "".join(rows))
    return archive.getvalue()


class PackageIndex:
    """A "simple" index (PEP 503) over a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        handler = partial(_Quiet, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def add(self, name: str, version: str, files: dict[str, str]) -> str:
        """Add or replace a wheel; return its SHA-256."""
        return self.add_file(
            name, f"{name}-{version}-py3-none-any.whl", make_wheel(name, version, files)
        )

    def add_file(self, name: str, file_name: str, content: bytes) -> str:
        folder = self._folder / "simple" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_bytes(content)
        links = "".join(
            f'<a href="{path.name}">{path.name}</a>\n'
            for path in sorted(folder.iterdir())
            if path.suffix in (".whl", ".gz")
        )
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
        return hashlib.sha256(content).hexdigest()

    def __enter__(self) -> PackageIndex:
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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""
