"""Work that fails goes back, and an outage of MLflow loses none of it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audits.models import Evidence, Job
from audits.services.evidence import LOST_AFTER, MAX_ATTEMPTS, claim_job
from config.celery import app
from lineage.errors import CaptureUnfinished, MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.models import LineageRecord
from muniment.lineage_file import CAPTURE_TAG, LINEAGE_PATH, LINEAGE_SHA256_TAG, LOCK_PATH
from registry import tasks
from registry.services.lineage import record_version_lineage
from registry.services.predictions import audit_version
from tests.integration.lineage.test_collect_captured import FILE
from tests.integration.lineage.trainer import LOCK
from tests.integration.registry.live import HURRIED, MODEL, LiveRegistry

NOWHERE = "http://127.0.0.1:9"


def queued(kind: Job.Kind) -> Job:
    return Job.objects.get(kind=kind, status=Job.Status.QUEUED)


def test_a_long_outage_of_mlflow_loses_no_job(live: LiveRegistry) -> None:
    live.new_model()
    live.train(MODEL)
    live.walk()
    down = MlflowClient(NOWHERE, patience=HURRIED)
    for _ in range(3 * MAX_ATTEMPTS):
        with pytest.raises(MlflowUnavailable):
            record_version_lineage(
                job_id=queued(Job.Kind.LINEAGE).pk, client=down, clock=timezone.now
            )
    waiting = queued(Job.Kind.LINEAGE)
    assert "MLflow does not answer" in waiting.error
    live.work()
    assert LineageRecord.objects.get().version_uri == live.version(1).uri
    waiting.refresh_from_db()
    assert (waiting.status, waiting.error) == (Job.Status.DONE, "")


def test_training_that_is_still_being_recorded_is_waited_for(live: LiveRegistry) -> None:
    """Its version is registered while it runs; the lineage file comes when it has ended."""
    live.new_model()
    logged = live.train(tags={CAPTURE_TAG: "x"}, lock=None)
    just_now = int(timezone.now().timestamp() * 1000)
    update = {"run_id": logged.run_id, "status": "FINISHED", "end_time": just_now}
    live.trainer.call("POST", "runs/update", update)
    live.walk()
    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(CaptureUnfinished):
            record_version_lineage(
                job_id=queued(Job.Kind.LINEAGE).pk, client=live.client, clock=timezone.now
            )
    assert not LineageRecord.objects.exists()
    content = FILE.to_bytes()
    live.trainer.put(logged.run_place, LINEAGE_PATH, content)
    live.trainer.put(logged.run_place, LOCK_PATH, LOCK)
    tag = {"key": LINEAGE_SHA256_TAG, "value": hashlib.sha256(content).hexdigest()}
    live.trainer.call("POST", "runs/set-tag", {"run_id": logged.run_id, **tag})
    live.work()
    record = LineageRecord.objects.get()
    assert record.facts["capture"] == FILE.as_mapping()
    assert record.legs["code"]["grade"] == "recorded"


def test_an_outage_loses_no_audit_either(live: LiveRegistry) -> None:
    live.new_model()
    live.train(MODEL)
    live.walk()
    live.work()
    live.bind()
    down = MlflowClient(NOWHERE, patience=HURRIED)
    for _ in range(3 * MAX_ATTEMPTS):
        with pytest.raises(MlflowUnavailable):
            audit_version(
                job_id=queued(Job.Kind.PREDICTIONS_AUDIT).pk, client=down, clock=timezone.now
            )
    assert not Evidence.objects.exists()
    assert queued(Job.Kind.PREDICTIONS_AUDIT)


def test_what_mlflow_will_never_answer_is_given_up(live: LiveRegistry, settings: Any) -> None:
    """A statement that cannot be signed fails the same way every time."""
    live.new_model()
    live.train(MODEL)
    live.walk()
    settings.STATEMENT_KEY_URI = "file2:/nowhere"
    from audits.services.signing import statement_signer

    statement_signer.cache_clear()
    try:
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(Exception, match="nowhere"):
                tasks.record_lineage(str(queued(Job.Kind.LINEAGE).pk))
        (job,) = Job.objects.filter(kind=Job.Kind.LINEAGE)
        assert job.status == Job.Status.FAILED
        assert "nowhere" in job.error
        assert not LineageRecord.objects.exists()
    finally:
        statement_signer.cache_clear()


def test_a_job_is_claimed_once_and_again_when_its_worker_was_lost(live: LiveRegistry) -> None:
    live.new_model()
    live.new_version()
    live.walk()
    job, now = queued(Job.Kind.LINEAGE), timezone.now()
    assert claim_job(job_id=job.pk, now=now) is not None
    assert claim_job(job_id=job.pk, now=now + LOST_AFTER - timedelta(seconds=1)) is None
    assert claim_job(job_id=job.pk, now=now + LOST_AFTER + timedelta(seconds=1)) is not None
    assert record_version_lineage(job_id=job.pk, client=live.client, clock=timezone.now) is None
    assert not LineageRecord.objects.exists()


def test_waiting_for_the_log_sends_one_task_at_a_time_and_not_for_ever(
    live: LiveRegistry,
) -> None:
    promotion = live.approved()

    def waiting() -> int:
        with app.connection_for_read() as broker:
            return int(broker.default_channel.client.llen("default"))

    before = waiting()
    tasks.run_promotion(str(promotion.pk))
    assert waiting() == before + 1
    tasks.run_promotion(str(promotion.pk), tasks.MAX_POLLS)
    assert waiting() == before + 1


def test_a_lineage_job_that_failed_for_good_is_opened_again_by_a_request(
    live: LiveRegistry,
) -> None:
    live.new_model()
    live.train(MODEL)
    live.walk()
    live.bind()
    Job.objects.update(status=Job.Status.FAILED, error="The key was not there.")
    promotion = live.world.request(1, name=MODEL)
    assert promotion.status == "evaluating"
    assert queued(Job.Kind.LINEAGE).version_uri == live.version(1).uri
    live.work()
    assert LineageRecord.objects.count() == 1
