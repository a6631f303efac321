"""A real Celery worker of one queue, with its role's environment and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.environments import role_environment
from config.embedded.processes import BASE_DIR
from tests.instance import INSTANCE


@contextmanager
def celery_worker(
    database: str, log_file: Path, *, role: str = "worker", **told: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker on a test's database; it leads a process group, which is killed at the end.

    Args:
        role: `worker`, for the queue `default`, or `recompute`.
        told: environment variables that it has besides, or with another value.
    """
    stack = INSTANCE.stack
    environment = role_environment(role, stack.home, stack.keys, stack.addresses)
    server = environment["DATABASE_URL"].rpartition("/")[0]
    command = [sys.executable, "-m", "celery", "--app", "config.celery", "worker"]
    queue = "default" if role == "worker" else role
    options = ["--queues", queue, "--concurrency", "1", "--hostname", f"{queue}@test"]
    with log_file.open("wb") as output:
        running = subprocess.Popen(
            [*command, *options],
            env=environment | {"DATABASE_URL": f"{server}/{database}"} | told,
            cwd=BASE_DIR,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
