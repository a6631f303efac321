"""Executing a promotion while MLflow or the worker is killed at a step: executed exactly once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from audits.models import LogEntry
from lineage.errors import MlflowUnavailable
from registry import tasks
from registry.models import AliasChange, Grant, Promotion
from registry.services.execution import Progress
from registry.services.grants import RESERVATION_TTL
from tests.conftest import serving
from tests.instance import INSTANCE
from tests.integration.celery_worker import celery_worker
from tests.integration.registry.forwarder import Forwarder
from tests.integration.registry.live import LiveRegistry

SECONDS = 90.0
ALIAS_LINE = "POST /api/2.0/mlflow/registered-models/alias"
RESERVE_LINE = "POST /api/v1/grants/reserve"
CONFIRM_LINE = "POST /api/v1/grants/confirm"


@pytest.fixture
def ledger(committed_database: str) -> Iterator[Forwarder]:
    """Between MLflow's registry store and Muniment, at the address that the store was told."""
    INSTANCE.stack.home.release_port("web")
    port = INSTANCE.stack.home.claim_port("web")
    with serving() as url, Forwarder(url, port=port) as between:
        yield between


@pytest.fixture
def live_url(ledger: Forwarder) -> str:
    return INSTANCE.stack.addresses.web_url


@pytest.fixture
def killable_mlflow(mlflow_server: str, ledger: Forwarder) -> Iterator[None]:
    """The MLflow server, killed at the step that the ledger drops; it runs again afterwards."""
    pid = INSTANCE.stack.pids["mlflow"]
    ledger.on_drop = lambda: os.killpg(INSTANCE.stack.pids["mlflow"], signal.SIGKILL)
    yield
    if INSTANCE.stack.pids.get("mlflow") in (None, pid):
        restart_mlflow()


def restart_mlflow() -> None:
    INSTANCE.stack.stop("mlflow")
    INSTANCE.stack.start("mlflow")


def die_with_mlflow(live: LiveRegistry, promotion: Promotion, ledger: Forwarder) -> None:
    """Run a promotion whose MLflow is killed meanwhile, and start MLflow again."""
    with pytest.raises(MlflowUnavailable):
        live.run(promotion)
    with pytest.raises(MlflowUnavailable):  # it is really gone
        live.champion()
    ledger.heal()
    restart_mlflow()
    ledger.take()


def grants_told(ledger: Forwarder) -> list[str]:
    """Return what the store said of grants since the last time; it also says that it runs."""
    return [line for line in ledger.take() if line in (RESERVE_LINE, CONFIRM_LINE)]


def assert_executed_once(live: LiveRegistry) -> None:
    assert Promotion.objects.get().status == "executed"
    assert live.champion() == 1
    assert live.walk() == []
    stated = list(LogEntry.objects.values_list("event", flat=True))
    assert stated.count("promotion.executed") == 1
    assert stated.count("alias.set") == 1
    assert not LogEntry.objects.filter(is_violation=True).exists()
    assert [change.is_violation for change in AliasChange.objects.all()] == [False]
    assert Grant.objects.filter(status=Grant.Status.CONFIRMED).count() == 1


def test_mlflow_is_killed_after_the_reservation_and_before_its_change(
    live: LiveRegistry, sealed: Promotion, ledger: Forwarder, killable_mlflow: None
) -> None:
    ledger.drop_after = RESERVE_LINE
    die_with_mlflow(live, sealed, ledger)
    assert live.champion() is None
    assert live.walk() == []
    lost = Grant.objects.get()
    assert lost.status == Grant.Status.RESERVED
    # Who asks at once cannot know that the reservation comes to nothing; who asks later can.
    assert live.run(sealed).status == "executing"
    assert grants_told(ledger) == []
    later = RESERVATION_TTL + timedelta(seconds=1)
    assert live.attempt(sealed, later=later) is Progress.ENDED
    assert grants_told(ledger) == [RESERVE_LINE, CONFIRM_LINE]
    lost.refresh_from_db()
    assert lost.status == Grant.Status.VOID
    assert_executed_once(live)


@pytest.mark.parametrize("seen_first_by", ["worker", "mirror"])
def test_mlflow_is_killed_after_its_change_and_before_the_confirmation(
    live: LiveRegistry,
    sealed: Promotion,
    ledger: Forwarder,
    killable_mlflow: None,
    seen_first_by: str,
) -> None:
    ledger.drop_before = CONFIRM_LINE
    die_with_mlflow(live, sealed, ledger)
    assert live.champion() == 1
    assert Grant.objects.get().status == Grant.Status.RESERVED
    if seen_first_by == "mirror":
        assert [(fact.event, fact.is_violation) for fact in live.walk()] == [("alias.set", False)]
    assert live.run(sealed).status == "executed"
    assert grants_told(ledger) == []
    assert_executed_once(live)


@pytest.mark.parametrize("is_changed", [False, True])
def test_the_worker_is_killed_before_the_grant_is_sent_or_after_mlflow_made_the_change(
    live: LiveRegistry,
    sealed: Promotion,
    forwarder: Forwarder,
    committed_database: str,
    tmp_path: Path,
    is_changed: bool,
) -> None:
    forwarder.lose_alias_answers() if is_changed else forwarder.lose_alias_requests()
    log_file = tmp_path / "worker.log"
    start_worker = partial(
        celery_worker, committed_database, log_file, MLFLOW_TRACKING_URI=forwarder.url
    )
    tasks.take_up_open_work()
    with start_worker() as worker:
        forwarder.on_drop = lambda: os.killpg(worker.pid, signal.SIGKILL)
        assert worker.wait(SECONDS) == -signal.SIGKILL, log_file.read_text()
    forwarder.heal()
    sealed.refresh_from_db()
    assert sealed.status == "executing"
    assert live.champion() == (1 if is_changed else None)
    assert Grant.objects.get().status == ("confirmed" if is_changed else "written")
    forwarder.take()
    # What the killed one had taken is lost with it; beat sends it again.
    tasks.take_up_open_work()
    with start_worker():
        deadline = time.monotonic() + SECONDS
        while not Promotion.objects.filter(status="executed").exists():
            assert time.monotonic() < deadline, log_file.read_text()
            time.sleep(0.05)
    assert forwarder.take().count(ALIAS_LINE) == (0 if is_changed else 1)
    assert Grant.objects.count() == 1
    assert_executed_once(live)
