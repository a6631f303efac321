"""The Django side: web server, workers by queue, beat."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from config.embedded.home import Home
from config.embedded.probes import celery_answers, file_is_newer, http_answers
from config.embedded.supervisor import Service

BASE_DIR: Final = Path(__file__).resolve().parents[2]
HEALTH_PATH: Final = "/healthz"


def web_service(home: Home, environment: dict[str, str]) -> Service:
    """Say how gunicorn is started: two processes, threads in each, on 127.0.0.1 only."""
    port = home.claim_port("web")
    return Service(
        name="web",
        title="web server",
        command=(
            *(sys.executable, "-m", "gunicorn", "config.wsgi:application"),
            *("--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--workers", "2", "--threads", "8"),
            *("--graceful-timeout", "5", "--timeout", "60"),
            # Its default is one path a user, which two instances would fight over.
            "--no-control-socket",
        ),
        environment=environment,
        is_ready=http_answers(f"http://localhost:{port}{HEALTH_PATH}"),
        cwd=BASE_DIR,
        before=lambda: home.release_port("web"),
    )


def worker_services(
    *,
    broker_url: str,
    worker: dict[str, str],
    recompute: dict[str, str],
    sequencer: dict[str, str],
) -> tuple[Service, Service, Service]:
    """Say how the Celery workers are started: the general one, and two with one duty each."""
    return (
        _worker("worker", "worker", "default,audit", 2, broker_url, worker),
        _worker("recompute", "recomputing worker", "recompute", 1, broker_url, recompute),
        _worker("sequencer", "log sequencer", "log", 1, broker_url, sequencer),
    )


def beat_service(home: Home, environment: dict[str, str]) -> Service:
    """Say how beat, which starts periodic tasks, is started."""
    schedule = home.run / "celerybeat-schedule"
    return Service(
        name="beat",
        title="beat",
        command=(
            *(sys.executable, "-m", "celery", "--app", "config.celery", "beat"),
            *("--schedule", str(schedule), "--pidfile", ""),
            *("--loglevel", "INFO"),
        ),
        environment=environment,
        # It writes the schedule once it has connected nothing but itself: there is no other sign.
        is_ready=file_is_newer(schedule, time.time()),
        cwd=BASE_DIR,
        grace_seconds=5.0,
    )


def _worker(
    name: str, title: str, queues: str, concurrency: int, broker_url: str, env: dict[str, str]
) -> Service:
    node = f"{name}@muniment"
    return Service(
        name=name,
        title=title,
        command=(
            *(sys.executable, "-m", "celery", "--app", "config.celery", "worker"),
            *("--hostname", node, "--queues", queues),
            *("--pool", "prefork", "--concurrency", str(concurrency)),
            *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
        ),
        environment=env,
        is_ready=celery_answers(broker_url, node),
        cwd=BASE_DIR,
        grace_seconds=15.0,  # a warm shutdown: running tasks may finish, the rest stay queued
    )
