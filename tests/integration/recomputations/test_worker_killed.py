"""A real worker, a real sandbox, and a training that does not end by itself: killed, cancelled."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Evidence
from lineage.models import AllowedPlace, Recomputation
from lineage.services.places import allow_place
from lineage.services.recomputations import LOST_AFTER
from muniment.lineage_file import (
    LINEAGE_PATH,
    LOCK_PATH,
    CapturedEnvironment,
    Code,
    Command,
)
from registry.services.recomputation_orders import stop_recomputation
from registry.services.recomputing import take_up_recomputations
from tests.integration.celery_worker import celery_worker
from tests.integration.recomputations.ordering import CAPTURE, events, order
from tests.integration.recompute.package_index import PackageIndex
from tests.integration.registry.live import MODEL, LiveRegistry

SECONDS = 60.0
MARKER = f"forever-{uuid4().hex}"
PROGRAM = """
import subprocess, sys, time
print("begun", flush=True)
# Gone from its parent, and in a session of its own: what is left of it must not stay either.
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", *sys.argv[1:]],
                 start_new_session=True)
time.sleep(3600)
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path / "index") as served:
        yield served


@pytest.fixture
def endless(live: LiveRegistry, tmp_path: Path, index: PackageIndex) -> LiveRegistry:
    """A version whose training, captured by the kit, goes on for an hour."""
    repository = tmp_path / "code"
    repository.mkdir()
    (repository / "train.py").write_text(PROGRAM)
    git = partial(subprocess.run, cwd=repository, check=True, capture_output=True, text=True)
    git(["git", "init", "--quiet"])
    git(["git", "add", "train.py"])
    named = ["-c", "user.name=Erin", "-c", "user.email=erin@example.org"]
    git(["git", *named, "commit", "--quiet", "--message", "Train"])
    commit = git(["git", "rev-parse", "HEAD"]).stdout.strip()
    lock = f"tiny==1.0 --hash=sha256:{index.add('tiny', '1.0', {'tiny.py': 'X = 1'})}\n".encode()
    remote = f"file://{repository}"
    capture = replace(
        CAPTURE,
        code=Code(commit=commit, remote=remote, is_dirty=False),
        command=Command(arguments=("python", "train.py", MARKER)),
        environment=CapturedEnvironment(
            python="3.11.0", implementation="cpython", lock_sha256=hashlib.sha256(lock).hexdigest()
        ),
    )
    live.new_model()
    logged = live.train(lock=lock)
    content = capture.to_bytes()
    live.trainer.put(logged.run_place, LINEAGE_PATH, content)
    live.trainer.put(logged.run_place, LOCK_PATH, lock)
    live.trainer.call(
        "POST",
        "runs/set-tag",
        {
            "run_id": logged.run_id,
            "key": "muniment.lineage.sha256",
            "value": hashlib.sha256(content).hexdigest(),
        },
    )
    allow_place(
        place=AllowedPlace(source_name="default", kind="code", prefix=remote),
        actor=actor_of(live.world.people["admin"]),
        now=timezone.now(),
    )
    live.walk()
    live.work()
    return live


def marked() -> list[str]:
    """Return what runs of the training, on the host's own list of processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it has just ended
                continue
            if MARKER in line:
                found.append(f"{entry.name} {line}")
    return found


def until(condition: Callable[[], bool], log_file: Path, seconds: float = SECONDS) -> float:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, log_file.read_text()[-4000:]
        time.sleep(0.05)
    return time.monotonic() - begun


def test_a_killed_worker_leaves_nothing_that_runs_and_its_work_is_taken_up_then_cancelled(
    endless: LiveRegistry, committed_database: str, tmp_path: Path, index: PackageIndex
) -> None:
    found = order_version(endless)
    log_file = tmp_path / "worker.log"
    start_worker = partial(
        celery_worker,
        committed_database,
        log_file,
        role="recompute",
        MUNIMENT_RECOMPUTE_FOLDER=str(tmp_path / "recompute"),
        MUNIMENT_RECOMPUTE_INDEX_URL=index.url,
    )

    def is_training(attempt: int) -> bool:
        found.refresh_from_db()
        assert found.status in ("queued", "running"), (found.status, found.failure)
        return found.attempts == attempt and "begun" in found.log_tail and len(marked()) > 1

    # The main process alone: whoever trains must not go on as an orphan.
    with start_worker() as worker:
        until(lambda: is_training(1), log_file)
        os.kill(worker.pid, signal.SIGKILL)
        until(lambda: not marked(), log_file, 5.0)
    found.refresh_from_db()
    assert found.status == "running"
    assert list((tmp_path / "recompute" / "work").iterdir()) != []
    take_up_recomputations(now=timezone.now() + LOST_AFTER + timedelta(seconds=1), limit=1)
    with start_worker():
        until(lambda: is_training(2), log_file)
        stop_recomputation(
            recomputation_id=found.pk,
            actor=actor_of(endless.world.people["engineer"]),
            now=timezone.now(),
        )
        assert until(lambda: not marked(), log_file) < 3.0
        until(lambda: Recomputation.objects.get().lease is None, log_file, 5.0)
    found.refresh_from_db()
    assert found.status == "cancelled"
    assert events(found) == [*("requested", "started", "put_back", "started", "cancelled")]
    assert not Evidence.objects.filter(kind="recomputation").exists()
    # What the killed one had, too.
    assert list((tmp_path / "recompute" / "work").iterdir()) == []


def order_version(live: LiveRegistry) -> Recomputation:
    return order(live.world, 1, name=MODEL)
