"""A recomputation that is cancelled while somebody does not answer ends at once, and wholly."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineage.domain.differences import Outcome
from lineage.recompute.environment import PackageSource
from lineage.recompute.errors import RecomputationCancelled
from lineage.recompute.limits import GIB, Limits
from lineage.recompute.order import RecomputationOrder, Step
from lineage.recompute.recomputing import recompute
from lineage.recompute.sandbox import Sandbox
from lineage.recompute.tools import Tools
from muniment.attest.digest import Digest
from muniment.datasets import Access, AllowedPlace, DatasetReference
from muniment.lineage_file import CapturedEnvironment, Code, Command, LineageFile
from tests.integration.recompute.small_training import make_repository

LOCK = b"nowhere-to-be-found==1.0\n"


class SilentServer:
    """Takes connections and never answers; knows when all of them were hung up."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.was_asked = threading.Event()
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._taken.append(connection)
            self.was_asked.set()

    def is_left_alone(self, within_seconds: float) -> bool:
        """Say whether nobody holds a connection any more."""
        ends = time.monotonic() + within_seconds
        for connection in self._taken:
            connection.settimeout(max(0.01, ends - time.monotonic()))
            try:
                while connection.recv(65_536):
                    pass
            except ConnectionResetError:
                continue
            except TimeoutError:
                return False
        return True

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._taken:
            connection.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


@pytest.mark.parametrize("step", [Step.CODE, Step.DATA, Step.ENVIRONMENT])
def test_whoever_does_not_answer_is_not_waited_for(
    step: Step, silent: SilentServer, tmp_path: Path
) -> None:
    bare, commit = make_repository(tmp_path, "print('trained')\n")
    secure = silent.url.replace("http:", "https:")
    data = DatasetReference(
        *("training", "loans", "object", f"{silent.url}/loans.csv"), Digest("sha256", "d" * 64), 12
    )
    capture = LineageFile(
        captured_at="2026-11-25T10:00:00Z",
        kit="0.1.0",
        mode="run",
        code=Code(
            commit, f"{secure}/code.git" if step is Step.CODE else bare.as_uri(), is_dirty=False
        ),
        command=Command(("python", "train.py")),
        environment=CapturedEnvironment(
            "3.11", "cpython", "linux-x86_64", hashlib.sha256(LOCK).hexdigest()
        ),
        datasets=(data,) if step is Step.DATA else (),
    )
    tools = Tools(
        sandbox=Sandbox.find("bubblewrap"),
        limits=Limits(memory_bytes=GIB, wall_seconds=60),
        work_folder=tmp_path / "work",
        environments=tmp_path / "environments",
        packages=PackageSource(f"{silent.url}/simple", tmp_path / "cache"),
        access=Access((AllowedPlace(f"{silent.url}/"),)),
        remotes=(f"{secure}/", bare.parent.as_uri()),
    )
    order = RecomputationOrder(
        version_uri="muniment://default/models/loans@1/versions/1",
        record_sha256="0" * 64,
        source_name="default",
        capture=capture,
        lock=LOCK,
        recorded=Outcome({}, {}, {}),
        fetch_model=lambda folder: None,
    )
    steps: list[Step] = []
    asked_at: list[float] = []

    def cancelled() -> bool:
        if silent.was_asked.is_set():
            asked_at.append(time.monotonic())
        return bool(asked_at)

    with pytest.raises(RecomputationCancelled):
        recompute(
            order,
            tools=tools,
            report_step=steps.append,
            on_output=lambda content: None,
            cancelled=cancelled,
        )
    assert time.monotonic() - asked_at[0] < 2
    assert steps[-1] is step
    assert silent.is_left_alone(within_seconds=2)
    assert list((tmp_path / "work").iterdir()) == []
    assert not (tmp_path / "environments").exists() or not list(
        (tmp_path / "environments").iterdir()
    )
