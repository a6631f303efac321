"""The sequencer as it runs: a prefork worker, whose child opens its own session in the token."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audits.models import LogCheckpoint
from config.celery import app
from config.embedded.environments import role_environment
from config.embedded.key_rotation import begin_rotation
from config.embedded.keys import InstanceKeys, make_keys
from config.embedded.processes import BASE_DIR, worker_services
from muniment.attest.checkpoint import verify_checkpoint
from muniment.attest.keyring import Keyring
from tests.instance import INSTANCE
from tests.integration.keys.conftest import PIN, Processes, SoftHsm
from tests.integration.keys.test_log_key_rotation import TOKEN_KEY, state

SECONDS = 90.0


class Sequencer:
    """A running worker of the queue ``log``, with the sequencer's environment and no more."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        addresses = INSTANCE.stack.addresses
        *_, service = worker_services(
            broker_url=addresses.redis_url, worker={}, recompute={}, sequencer=environment
        )
        self._log = log
        with log.open("wb") as output:
            self._worker = subprocess.Popen(
                service.command,
                env=service.environment,
                cwd=BASE_DIR,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def written(self) -> str:
        return self._log.read_text()

    def sign(self, tree_size: int) -> bytes:
        """Ask as beat does, until there is a checkpoint of that size."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            app.send_task("audits.tasks.sequence_log", queue="log", expires=2.0)
            time.sleep(0.5)
            found = LogCheckpoint.objects.filter(tree_size=tree_size).first()
            if found is not None:
                return bytes(found.note)
            assert self._worker.poll() is None, self.written
        raise AssertionError(self.written)

    def await_words(self, words: str) -> None:
        deadline = time.monotonic() + SECONDS
        while words not in self.written:
            assert time.monotonic() < deadline, self.written
            app.send_task("audits.tasks.sequence_log", queue="log", expires=2.0)
            time.sleep(0.5)

    def kill_child(self) -> None:
        [child] = self.children()
        os.kill(child, signal.SIGKILL)

    def children(self) -> list[int]:
        task = Path(f"/proc/{self._worker.pid}/task/{self._worker.pid}/children")
        return [int(pid) for pid in task.read_text().split()]

    def stop(self) -> None:
        self._worker.terminate()
        self._worker.wait()


@pytest.fixture
def keys(tmp_path: Path, hsm: SoftHsm) -> InstanceKeys:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    made = make_keys(folder, now=datetime.now(UTC))
    begin_rotation(made.folder, uri=TOKEN_KEY)
    return made


@pytest.fixture
def sequencer(
    keys: InstanceKeys, processes: Processes, committed_database: str, tmp_path: Path
) -> Iterator[Sequencer]:
    processes.start(keys)
    stack = INSTANCE.stack
    told = role_environment("sequencer", stack.home, keys, stack.addresses)
    for name in ("DATABASE_URL", "SEQUENCER_DATABASE_URL"):
        told[name] = f"{told[name].rpartition('/')[0]}/{committed_database}"
    told["SOFTHSM2_CONF"] = os.environ["SOFTHSM2_CONF"]
    running = Sequencer(told, tmp_path / "sequencer.log")
    yield running
    running.stop()


def test_a_worker_signs_with_a_token_and_its_next_child_as_well(
    sequencer: Sequencer, keys: InstanceKeys, processes: Processes
) -> None:
    old, new = Keyring.load(keys.keyring).log.vkeys
    for tree_size in (1, 2):
        state(1)
        note = sequencer.sign(tree_size)
        for vkey in (old, new):
            assert verify_checkpoint(note, vkey).tree_size == tree_size
        sequencer.kill_child()
    assert PIN not in sequencer.written


def test_a_worker_with_a_wrong_pin_signs_nothing_and_tells_no_pin(
    keys: InstanceKeys, tmp_path: Path, sequencer: Sequencer, processes: Processes
) -> None:
    (tmp_path / "pin").write_text("wrong-0815")  # before its child has asked for it
    state(1)
    sequencer.await_words("is not asked again until the file holds another")
    assert not LogCheckpoint.objects.exists()
    assert "wrong-0815" not in sequencer.written
    (tmp_path / "pin").write_text(PIN)
    sequencer.sign(1)
