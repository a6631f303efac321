"""`manage.py recompute`: ordered, waited for, and said in one JSON document."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from lineage.domain.comparison import Verdict
from lineage.models import Recomputation
from tests.integration.recomputations.ordering import Computing, lay_captured, perform, recomputed
from tests.integration.web.world import World

MODEL = "boston-mortgage"


@pytest.fixture
def run(world: World) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run the command beside a worker that computes as it is told; give status and document."""
    lay_captured(world, 1)

    def run(compute: Computing, *options: str) -> tuple[int, dict[str, Any]]:
        done = threading.Event()

        def work() -> None:
            try:
                while not done.wait(0.02):
                    found = Recomputation.objects.filter(status="queued").first()
                    if found is not None:
                        perform(found, compute)
                        return
            finally:
                connections.close_all()

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        out, status = StringIO(), 0
        try:
            call_command("recompute", MODEL, "1", "--wait", "--json", *options, stdout=out)
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            done.set()
            worker.join()
        return status, json.loads(out.getvalue())

    return run


def test_a_version_that_is_reproduced_exits_with_0(
    run: Callable[..., tuple[int, dict[str, Any]]],
) -> None:
    compute = Computing()
    status, said = run(compute, "--repeats", "2")
    assert (status, said["verdict"], said["status"]) == (0, "identical", "done")
    assert list(said["legs"]) == ["code", "data", "environment", "configuration"]
    assert said["measurements"]["metrics"]["accuracy"]["difference"] == 0
    assert said["reason"] == "The model's files came out with the same bytes."
    [evidence] = Recomputation.objects.values_list("evidence__entry__sha256", flat=True)
    assert said["evidence_digest"] == f"sha256:{evidence}"
    assert (compute.orders[0].repeats, compute.orders[0].negative_control) == (2, True)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.WITHIN_TOLERANCE, 0),
        (Verdict.DIVERGED, 1),
        (Verdict.NOT_REPRODUCIBLE, 1),
    ],
)
def test_the_exit_status_says_whether_it_was_reproduced(
    run: Callable[..., tuple[int, dict[str, Any]]], verdict: Verdict, expected: int
) -> None:
    reason = "data: The file was changed."
    compute = Computing(result=lambda order: recomputed(order.record_sha256, verdict, reason))
    status, said = run(compute)
    assert (status, said["verdict"], said["reason"]) == (expected, verdict.value, reason)


def test_without_waiting_it_says_what_was_ordered_and_joins_it_afterwards(
    run: Callable[..., tuple[int, dict[str, Any]]],
) -> None:
    out = StringIO()
    call_command("recompute", MODEL, "1", "--json", stdout=out)
    ordered = json.loads(out.getvalue())
    assert ordered["status"] == "queued"
    assert run(Computing())[1]["recomputation"] == ordered["recomputation"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("nowhere", "1"), "no model .nowhere."),
        ((MODEL, "99"), "no version 99"),
        ((MODEL, "1", "--repeats", "11"), "a number from 1 to 10"),
        ((MODEL, "1", "--as", "auditor"), "role"),
        ((MODEL, "1", "--as", "nobody"), "nobody called nobody"),
    ],
)
def test_what_cannot_be_ordered_is_said(world: World, command: tuple[str, ...], words: str) -> None:
    lay_captured(world, 1)
    with pytest.raises(CommandError, match=words):
        call_command("recompute", *command)
