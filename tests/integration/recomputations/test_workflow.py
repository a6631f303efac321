"""A recomputation from its order to its end, whatever happens between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.services.people import actor_of
from audits.errors import RoleRequired
from audits.models import Evidence, LogEntry
from audits.selectors import decoded_statement
from config.embedded import EmbeddedStack
from lineage.domain.comparison import Verdict
from lineage.errors import MlflowUnavailable
from lineage.models import Recomputation
from lineage.services.recomputations import LOST_AFTER, claim_recomputation
from registry.errors import (
    InvalidRequest,
    RecomputationClosed,
    RecomputationNotPossible,
    RecomputationOpen,
)
from registry.services.recomputation_orders import stop_recomputation
from registry.services.recomputing import take_up_recomputations
from tests.integration.recomputations.ordering import (
    CAPTURE,
    Computing,
    Worker,
    events,
    lay_captured,
    order,
    perform,
    recomputed,
)
from tests.integration.web.world import World

SECONDS = 15.0


def until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + SECONDS
    while not condition():
        assert monotonic() < deadline, "it did not come about"
        threading.Event().wait(0.05)


def test_a_verdict_becomes_evidence_and_every_move_stands_in_the_log(world: World) -> None:
    record = lay_captured(world, 2)
    found = order(world, 2, repeats=2)
    assert (found.status, found.requested_by) == ("queued", world.people["engineer"].pk)
    compute = Computing()
    perform(found, compute)
    [asked] = compute.orders
    assert asked.capture == CAPTURE
    assert (asked.record_sha256, asked.repeats, asked.source_name) == (
        record.entry.sha256,
        2,
        "default",
    )
    assert asked.recorded.files == record.artifacts
    assert asked.recorded.metrics == {"accuracy": 0.906}
    found.refresh_from_db()
    assert (found.status, found.attempts, found.lease) == ("done", 1, None)
    evidence = found.evidence
    assert evidence is not None
    assert (evidence.kind, evidence.origin, evidence.conclusion) == (
        "recomputation",
        "computed",
        "pass",
    )
    assert evidence.measurements["verdict"] == "identical"
    assert evidence.subject_digest == record.subject_digest
    assert evidence.inputs == [
        {"name": "lineage record", "digest": f"sha256:{record.entry.sha256}"}
    ]
    assert events(found) == ["requested", "started", "finished"]
    stated = LogEntry.objects.filter(event__startswith="recomputation.").order_by("pk")
    assert [entry.actor_id for entry in stated] == [
        str(world.people["engineer"].pk),
        "recomputation",
        "recomputation",
    ]
    ended = decoded_statement(stated[2]).predicate["detail"]
    assert ended["verdict"] == "identical"
    assert ended["evidence"] == evidence.entry.sha256
    assert {entry.stream for entry in stated} == {record.stream}


def test_what_diverged_is_evidence_that_fails(world: World) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    reason = "The metric accuracy differs by 0.1."
    compute = Computing(lambda one: recomputed(one.record_sha256, Verdict.DIVERGED, reason))
    perform(found, compute)
    evidence = Evidence.objects.get(kind="recomputation")
    assert (evidence.conclusion, evidence.reasons) == ("fail", [reason])


def test_a_record_that_says_too_little_is_not_reproducible_and_nothing_runs(world: World) -> None:
    found = order(world, 1)  # nothing was captured of it
    compute = Computing()
    perform(found, compute)
    assert compute.orders == []
    evidence = Evidence.objects.get(kind="recomputation")
    assert evidence.conclusion == "fail"
    assert evidence.measurements["verdict"] == "not_reproducible"
    assert evidence.measurements["legs"]["configuration"]["outcome"] == "failed"
    assert evidence.reasons[0].startswith("configuration: The lineage record does not say")


def test_one_version_has_one_open_recomputation(world: World) -> None:
    record = lay_captured(world, 2)
    found = order(world, 2)
    with pytest.raises(RecomputationOpen, match="it is queued"):
        order(world, 2)
    with pytest.raises(IntegrityError, match="one_open_recomputation"), transaction.atomic():
        Recomputation.objects.create(
            version_uri=found.version_uri,
            record=record,
            status="queued",
            repeats=1,
            negative_control=False,
            created_at=world.now,
        )
    perform(found, Computing())
    again = order(world, 2)  # retry: the first one has ended
    assert again.pk != found.pk


@pytest.mark.parametrize("who", ["auditor"])
def test_who_only_reads_orders_and_cancels_nothing(world: World, who: str) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    world.people["engineer"] = world.people[who]
    with pytest.raises(RoleRequired):
        order(world, 3)
    with pytest.raises(RoleRequired):
        stop_recomputation(
            recomputation_id=found.pk, actor=actor_of(world.people[who]), now=world.tick()
        )
    assert events(found) == ["requested"]


def test_what_cannot_be_recomputed_is_refused_with_words(world: World) -> None:
    lay_captured(world, 2)
    with pytest.raises(InvalidRequest, match="1 to 10 times"):
        order(world, 2, repeats=11)
    gone = world.version(2)
    gone.gone_at = world.tick()
    gone.save()
    with pytest.raises(RecomputationNotPossible, match="no longer exists"):
        order(world, 2)
    assert not Recomputation.objects.exists()


def test_cancelling_stops_the_worker_within_two_seconds_and_records_no_verdict(
    world: World,
) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    compute = Computing(hold=True)
    worker = Worker(found, compute)
    assert compute.entered.wait(SECONDS)
    begun = monotonic()
    stop_recomputation(
        recomputation_id=found.pk, actor=actor_of(world.people["reviewer"]), now=timezone.now()
    )
    held = Recomputation.objects.get()
    assert (held.status, held.lease is not None) == ("cancelled", True)  # its place is taken yet
    worker.join(SECONDS)
    assert compute.was_cancelled
    assert monotonic() - begun < 2.0
    assert worker.raised is None
    held.refresh_from_db()
    assert (held.status, held.lease, held.heartbeat_at) == ("cancelled", None, None)
    assert events(found) == ["requested", "started", "cancelled"]
    assert not Evidence.objects.filter(kind="recomputation").exists()
    with pytest.raises(RecomputationClosed, match="it is cancelled"):
        stop_recomputation(
            recomputation_id=found.pk,
            actor=actor_of(world.people["reviewer"]),
            now=timezone.now(),
        )


def test_a_verdict_that_comes_after_the_cancellation_counts_for_nothing(world: World) -> None:
    lay_captured(world, 2)
    found = order(world, 2)

    def cancelled_meanwhile(one: object) -> object:
        stop_recomputation(
            recomputation_id=found.pk,
            actor=actor_of(world.people["engineer"]),
            now=timezone.now(),
        )
        return recomputed("0" * 64)

    perform(found, Computing(cancelled_meanwhile))  # type: ignore[arg-type]  # it is one
    found.refresh_from_db()
    assert (found.status, found.lease) == ("cancelled", None)
    assert not Evidence.objects.filter(kind="recomputation").exists()


def test_never_more_at_once_than_allowed(world: World) -> None:
    for number in (1, 2, 3):
        lay_captured(world, number)
    computing = [Computing(hold=True) for _ in range(3)]
    ordered = [order(world, number) for number in (1, 2, 3)]
    workers = [
        Worker(found, compute, concurrency=2)
        for found, compute in zip(ordered, computing, strict=True)
    ]
    until(lambda: sum(compute.entered.is_set() for compute in computing) == 2)
    until(lambda: sum(worker.is_alive() for worker in workers) == 2)
    statuses = sorted(Recomputation.objects.values_list("status", flat=True))
    assert statuses == ["queued", "running", "running"]
    waiting = Recomputation.objects.get(status="queued")
    perform(waiting, Computing(), concurrency=2)  # sent again, and it is not its turn yet
    for compute in computing:
        compute.release.set()
    for worker in workers:
        worker.join(SECONDS)
    perform(waiting, Computing(), concurrency=2)
    assert set(Recomputation.objects.values_list("status", flat=True)) == {"done"}


def test_what_lost_its_worker_is_taken_up_again_and_the_lost_ones_verdict_is_not(
    world: World,
) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    lost = Computing(hold=True)
    worker = Worker(found, lost)
    assert lost.entered.wait(SECONDS)
    take_up_recomputations(now=timezone.now(), limit=1)
    found.refresh_from_db()
    assert found.status == "running"  # it said so a second ago
    take_up_recomputations(now=timezone.now() + LOST_AFTER + timedelta(seconds=5), limit=1)
    found.refresh_from_db()
    assert (found.status, found.lease, found.attempts) == ("queued", None, 1)
    perform(found, Computing())
    worker.join(SECONDS)
    assert lost.was_cancelled
    found.refresh_from_db()
    assert (found.status, found.attempts) == ("done", 2)
    assert events(found) == ["requested", "started", "put_back", "started", "finished"]
    assert Evidence.objects.filter(kind="recomputation").count() == 1


def test_a_database_that_drops_every_connection_costs_no_training(
    world: World, postgres: EmbeddedStack, committed_database: str
) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    compute = Computing(hold=True)
    worker = Worker(found, compute)
    assert compute.entered.wait(SECONDS)
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as superuser:
        dropped = superuser.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
            [committed_database],
        ).fetchone()
    assert dropped is not None
    assert dropped[0] >= 2
    connection.close()
    before = timezone.now()
    until(lambda: Recomputation.objects.filter(heartbeat_at__gt=before).exists())
    compute.release.set()
    worker.join(SECONDS)
    assert worker.raised is None
    found.refresh_from_db()
    assert (found.status, found.attempts) == ("done", 1)
    assert Evidence.objects.filter(kind="recomputation").count() == 1


def test_what_loses_its_worker_three_times_has_failed_and_says_so_as_evidence(
    world: World,
) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    now = timezone.now()
    for _ in range(3):
        claimed = claim_recomputation(
            recomputation_id=found.pk,
            concurrency=1,
            actor=actor_of(world.people["engineer"]),
            now=now,
        )
        assert claimed is not None
        now += LOST_AFTER + timedelta(seconds=1)
        take_up_recomputations(now=now, limit=1)
    found.refresh_from_db()
    assert (found.status, found.attempts) == ("failed", 3)
    assert "its worker was lost" in found.failure
    evidence = Evidence.objects.get(kind="recomputation")
    assert (evidence.conclusion, evidence.measurements.get("verdict")) == ("error", None)
    assert events(found)[-1] == "failed"


def test_a_fault_is_tried_three_times_and_mlflow_away_counts_as_none(world: World) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    for _ in range(5):
        with pytest.raises(MlflowUnavailable):
            perform(found, Computing(fails=MlflowUnavailable("MLflow is away")))
    found.refresh_from_db()
    assert (found.status, found.attempts) == ("queued", 0)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            perform(found, Computing(fails=RuntimeError("disk full at /secret/place")))
    found.refresh_from_db()
    assert (found.status, found.failure) == ("failed", "RuntimeError: disk full at /secret/place")
    said = [
        decoded_statement(entry).predicate
        for entry in LogEntry.objects.filter(event__startswith="recomputation.")
    ]
    assert "/secret/place" not in str(said)


def test_step_and_the_end_of_the_log_are_seen_while_it_runs(world: World) -> None:
    lay_captured(world, 2)
    found = order(world, 2)
    compute = Computing(hold=True, output=b"x" * 50_000 + b"\n\x1b[2Jepoch 3\n")
    worker = Worker(found, compute)
    until(lambda: Recomputation.objects.get().step == "training")
    shown = Recomputation.objects.get().log_tail
    assert shown.endswith("\n\ufffd[2Jepoch 3\n")
    assert len(shown) == 8_000
    compute.release.set()
    worker.join(SECONDS)
    assert worker.raised is None


def test_a_recomputation_that_cannot_be_stated_is_not_ordered(
    world: World, settings: object
) -> None:
    lay_captured(world, 2)
    settings.STATEMENT_KEY_URI = ""  # type: ignore[attr-defined]  # pytest-django's
    from audits.errors import KeyUnavailable
    from audits.services.signing import statement_signer

    statement_signer.cache_clear()
    try:
        with pytest.raises(KeyUnavailable):
            order(world, 2)
    finally:
        statement_signer.cache_clear()
    assert not Recomputation.objects.exists()
