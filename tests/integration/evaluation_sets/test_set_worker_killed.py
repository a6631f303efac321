"""A real worker that is killed while a model is asked: nothing runs on, and another takes it up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from accounts.services.people import actor_of
from audits.models import Evidence, Job
from audits.services.job_lease import LEASE_LOST_AFTER
from registry import tasks
from registry.services.set_audit_orders import request_set_audit
from tests.integration.celery_worker import celery_worker
from tests.integration.evaluation_sets.applicants import HONEST, model_files
from tests.integration.evaluation_sets.conftest import Bench

SECONDS = 60.0
# Long enough to be killed in, and short enough to end the second time.
SLOW = "import time\ntime.sleep(2.0)\n"


def until(condition: Callable[[], bool], log_file: Path, seconds: float = SECONDS) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, log_file.read_text()[-4000:]
        time.sleep(0.05)


def test_a_killed_worker_leaves_no_model_running_and_the_audit_is_taken_up(
    bench: Bench, committed_database: str, tmp_path: Path
) -> None:
    bench.register()
    bench.bind()
    version = bench.train(model_files(HONEST, more=SLOW))
    log_file = tmp_path / "worker.log"
    start_worker = partial(
        celery_worker,
        committed_database,
        log_file,
        role="recompute",
        MUNIMENT_RECOMPUTE_FOLDER=str(settings.RECOMPUTE_FOLDER),
        MUNIMENT_RECOMPUTE_INDEX_URL=settings.RECOMPUTE_INDEX_URL,
        MUNIMENT_EVALUATION_SETS=str(settings.EVALUATION_SETS),
    )
    work = Path(settings.RECOMPUTE_FOLDER) / "evaluating"

    def predicting() -> list[str]:
        """Return the processes, of the host's own list, that ask a model in the sandbox."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:  # it has just ended
                continue
            # The rebuilt environment's interpreter lies there.
            if str(settings.RECOMPUTE_FOLDER).encode() in line:
                found.append(entry.name)
        return found

    with start_worker() as worker:
        job = request_set_audit(
            version=version,
            actor=actor_of(bench.registry.world.people["engineer"]),
            now=timezone.now(),
        )
        until(
            lambda: Job.objects.get(pk=job.pk).step == "predicting" and bool(predicting()), log_file
        )
        os.kill(worker.pid, signal.SIGKILL)
        until(lambda: not predicting(), log_file, 5.0)
    assert Job.objects.get(pk=job.pk).status == "running"
    assert list(work.iterdir())
    tasks.predict_on_evaluation_set(str(job.pk))
    assert Job.objects.get(pk=job.pk).attempts == 0  # whoever was silent for so short is not gone
    Job.objects.filter(pk=job.pk).update(
        updated_at=timezone.now() - LEASE_LOST_AFTER - timedelta(seconds=1)
    )
    tasks.take_up_open_work()
    with start_worker():
        until(lambda: Job.objects.get(pk=job.pk).status == "done", log_file)
    assert bench.evidence(version).conclusion != "error", bench.evidence(version).reasons
    assert Evidence.objects.filter(version_uri=version.uri, kind="bias").count() == 1
    assert not list(work.iterdir())
