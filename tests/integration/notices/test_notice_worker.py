"""Alarms to e-mail through a real worker: asked as beat asks, and killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from django.utils import timezone

from accounts.models import Notice, NoticeMail
from accounts.services.addresses import choose_mail
from accounts.services.notice_mails import LOST_AFTER, send_due_mails
from audits.services.alarms import LOG_BEHIND, raise_alarm
from config.celery import app
from config.embedded.processes import BASE_DIR
from tests.integration.celery_worker import celery_worker
from tests.integration.notices.conftest import People
from tests.integration.notices.postbox import Postbox

SECONDS = 90.0
SCHEDULE = (
    "import json\nfrom config.celery import app\n"
    "print(json.dumps({item['task']: item['schedule'] for item in"
    " app.conf.beat_schedule.values() if 'accounts' in item['task']}))"
)


@pytest.fixture
def worker(
    postbox: Postbox, committed_database: str, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the queue `default` with the worker's environment, and a mail server."""
    with celery_worker(
        committed_database,
        tmp_path / "worker.log",
        MUNIMENT_EMAIL_HOST="127.0.0.1",
        MUNIMENT_EMAIL_PORT=str(postbox.port),
        MUNIMENT_EMAIL_SECURITY="none",
    ) as running:
        yield running


def ask_until(task: str, is_done: Callable[[], bool]) -> None:
    """Ask as beat does, until it is done."""
    deadline = time.monotonic() + SECONDS
    while not is_done():
        assert time.monotonic() < deadline
        app.send_task(task, expires=1.0)
        time.sleep(0.2)


def test_an_alarm_is_mailed_once_though_the_worker_is_killed_while_it_sends(
    worker: subprocess.Popen[bytes], postbox: Postbox, people: People
) -> None:
    choose_mail(person=people["amos"], email="", kinds=[])
    choose_mail(person=people["audrey"], email="", kinds=[])
    arrived, may_go_on = Event(), Event()

    def hold() -> None:
        arrived.set()
        may_go_on.wait(SECONDS)

    postbox.before_answer = hold
    raise_alarm(LOG_BEHIND, "It stands.", now=timezone.now())
    try:
        ask_until("accounts.tasks.post_alarm_notices", Notice.objects.exists)
        ask_until("accounts.tasks.send_notice_mails", arrived.is_set)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    finally:
        postbox.before_answer = None
        may_go_on.set()
    # Whoever works next, and whenever: the server has taken it, and takes it once.
    for later in (timedelta(0), timedelta(minutes=1), LOST_AFTER * 2, timedelta(hours=5)):
        send_due_mails(clock=lambda later=later: timezone.now() + later)  # type: ignore[misc]
    assert NoticeMail.objects.values_list("status", "failure").get() == (
        "uncertain",
        "worker_lost",
    )
    assert postbox.connections == 1


@pytest.mark.parametrize("host", ["", "mail.bank.example"])
def test_beat_asks_for_email_only_where_a_mail_server_is_named(host: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", SCHEDULE],
        cwd=BASE_DIR,
        env={**os.environ, "MUNIMENT_EMAIL_HOST": host},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    asked = json.loads(found.stdout)
    assert asked.pop("accounts.tasks.post_alarm_notices") == 10.0
    assert asked == ({"accounts.tasks.send_notice_mails": 15.0} if host else {})
