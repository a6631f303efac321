"""The real sequencer, behind Celery: killed, or its database gone, in the middle of its work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

import psycopg
import pytest

from config.embedded import EmbeddedStack
from config.embedded.roles import DATABASE
from muniment.attest.checkpoint import Checkpoint

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 90
TRIES = 5  # a busy machine may look only after all of it is done
APPEND = """
import django, sys
django.setup()
from django.utils import timezone
from tests.integration.log.writing import append_many
append_many(range(int(sys.argv[1])))
"""


def append(stack: EmbeddedStack, count: int) -> None:
    """Append statements in one transaction, as the web server would."""
    subprocess.run(
        [sys.executable, "-c", APPEND, str(count)],
        env={**stack.environment("web"), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
    )


def count(stack: EmbeddedStack, table: str) -> int:
    with psycopg.connect(stack.superuser_url(DATABASE)) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def signed_size(stack: EmbeddedStack) -> int:
    """Return how many leaves the published checkpoint covers; 0 while there is none yet."""
    try:
        with urllib.request.urlopen(f"{stack.addresses.web_url}/log/checkpoint") as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return 0
    return Checkpoint.from_text(text.partition("\n\n")[0] + "\n").tree_size


def await_leaves(stack: EmbeddedStack, more_than: int) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (leaves := count(stack, "audits_log_leaf")) <= more_than:
        assert time.monotonic() < deadline, "the sequencer does nothing"
    return leaves


def require_whole(stack: EmbeddedStack, entries: int) -> None:
    """Accept only a log in which every entry stands, once, under a signed checkpoint."""
    await_leaves(stack, entries - 1)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while signed_size(stack) < entries:
        assert time.monotonic() < deadline, "no checkpoint covers the leaves"
    assert count(stack, "audits_log_leaf") == count(stack, "audits_log_entry") == entries
    assert count(stack, "audits_log_pending") == 0
    said = json.loads(stack.run_manage("log", "verify", "--json", role="worker"))
    assert said["tree_size"] == entries


@pytest.mark.parametrize("killed", ["sequencer", "postgres"])
def test_a_kill_in_the_middle_of_sequencing_loses_nothing(
    stack: EmbeddedStack, killed: str
) -> None:
    for _ in range(TRIES):
        before = count(stack, "audits_log_leaf")
        append(stack, 6000)
        entries = count(stack, "audits_log_entry")
        leaves = await_leaves(stack, before)
        os.kill(stack.pids[killed], signal.SIGKILL)
        stack.stop(killed)
        stack.start(killed)
        require_whole(stack, entries)
        if leaves < entries:
            break
    else:
        pytest.fail("no kill fell in the middle")
    stack.require_all_running()
