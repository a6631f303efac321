"""Celery edges: each calls one service, and raises what it could not do, to be tried again."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings
from django.core.cache import cache
from django.db.models import Q
from django.utils import timezone

from audits.models import Job
from audits.services.evidence import LOST_AFTER
from audits.services.job_lease import lost_leases
from lineage.errors import MlflowUnavailable
from lineage.mlflow import MlflowClient
from lineage.models import Recomputation
from lineage.services.recompute_tools import recompute_here, tools_to_evaluate
from registry.models import ModelVersion, Promotion, RegistrySource, Violation
from registry.services.artifacts import verify_artifacts
from registry.services.backlog import order_audits_of_champions
from registry.services.champion_watch import decide_lapsed_promotions, refresh_lapsed_alarm
from registry.services.data_watch import refresh_data_alarms, served_versions, watch_data
from registry.services.execution import Progress, execute_promotion
from registry.services.lineage import record_version_lineage
from registry.services.mirror import walk_source
from registry.services.pace import pace_of
from registry.services.predictions import audit_version
from registry.services.recomputation_schedule import order_recomputations_of_champions
from registry.services.recomputing import perform_recomputation, take_up_recomputations
from registry.services.rehashing import next_versions, note_try, refresh_unread_alarm
from registry.services.reports import issue_report
from registry.services.retired_policies import refresh_retired_alarm
from registry.services.reverting import revert_violation
from registry.services.rollback_handout import seal_token
from registry.services.scans import scan_version
from registry.services.set_audits import perform_set_audit
from registry.services.sources import client_of, default_source
from registry.services.work import send_job, send_promotion

# A hint that came while a walk was queued is served by that walk; one that came later is not.
_WALK_WANTED = "registry:walk-wanted:{}"
_RETRY: dict[str, Any] = {
    "autoretry_for": (MlflowUnavailable,),
    "retry_backoff": 2,
    "retry_backoff_max": 60,
    "max_retries": 8,
}


# Who waits for the log asks again every second for so long; then `take_up_open_work` does, or
# every round of that would start one more that asks for ever.
MAX_POLLS = 15
# Twelve times an hour so many: 3,000 models' champions in half a day.
HASH_AGAIN_SECONDS = 300
MAX_HASHED_AT_ONCE = 30
# Until the next night, nearly.
HASH_DATA_SECONDS = 20 * 3_600


def _client_for(version_uri: str) -> MlflowClient:
    """Return a client of the source that a version is from; its files are read at its pace."""
    source = RegistrySource.objects.get(registeredmodel__versions__uri=version_uri)
    return client_of(source, pace=pace_of(source))


def request_walk(source_name: str | None = None) -> None:
    """Have a source walked soon, every source without one; many requests in a row are one walk."""
    if cache.add(_WALK_WANTED.format(source_name or "*"), True, timeout=60):
        walk_registry.delay(source_name)


@shared_task(**_RETRY)
def walk_registry(source_name: str | None = None) -> None:
    """Bring the mirror to what a source says; without a name, have every source walked."""
    cache.delete(_WALK_WANTED.format(source_name or "*"))
    default_source()
    if source_name is None:
        for other in RegistrySource.objects.exclude(name=settings.MUNIMENT_SOURCE):
            walk_registry.delay(other.name)
    walk_source(source_name=source_name or settings.MUNIMENT_SOURCE, clock=timezone.now)


@shared_task
def take_up_open_work() -> None:
    """Send again what is open and that nobody may be working on; twice is once."""
    now = timezone.now()
    lost = Q(status=Job.Status.RUNNING, updated_at__lt=now - LOST_AFTER) | lost_leases(now)
    for job in Job.objects.filter(lost | Q(status=Job.Status.QUEUED)).order_by("created_at")[:200]:
        send_job(job)
    for promotion in Promotion.objects.filter(status__in=["approved", "executing"]):
        send_promotion(promotion)
    take_up_recomputations(now=timezone.now(), limit=settings.RECOMPUTE_CONCURRENCY)
    order_audits_of_champions(now=timezone.now())


@shared_task(**_RETRY)
def record_lineage(job_id: str) -> None:
    """Record what a version was made of."""
    job = Job.objects.get(pk=job_id)
    record_version_lineage(job_id=job.pk, client=_client_for(job.version_uri), clock=timezone.now)


@shared_task(**_RETRY)
def audit_predictions_of_version(job_id: str) -> None:
    """Audit the predictions that were logged with a version."""
    job = Job.objects.get(pk=job_id)
    audit_version(job_id=job.pk, client=_client_for(job.version_uri), clock=timezone.now)


@shared_task(**_RETRY)
def scan_files_of_version(job_id: str) -> None:
    """Scan the files of a version, and look its packages up."""
    job = Job.objects.get(pk=job_id)
    scan_version(job_id=job.pk, client=_client_for(job.version_uri), clock=timezone.now)


@shared_task
def hash_again() -> None:
    """Have the files of versions hashed again that were not looked at for long, a few at a time."""
    now = timezone.now()
    refresh_unread_alarm(now=now)
    for version_uri in next_versions(now=now, limit=MAX_HASHED_AT_ONCE):
        hash_version_again.apply_async((version_uri,), expires=HASH_AGAIN_SECONDS)


@shared_task(**_RETRY)
def hash_version_again(version_uri: str) -> None:
    """Hash the files of a version again; others than those recorded are a violation."""
    note_try(version_uri)  # first of all: whatever stops it, the others get their turn
    version = ModelVersion.objects.select_related("registered_model").get(uri=version_uri)
    verify_artifacts(version=version, client=_client_for(version_uri), clock=timezone.now)


@shared_task(**_RETRY)
def revert_violation_in_mlflow(violation_id: str) -> None:
    """Undo a violation in MLflow, and look whether that helped."""
    violation = Violation.objects.select_related("registered_model__source").get(pk=violation_id)
    source = violation.registered_model.source
    if revert_violation(violation_id=violation.pk, client=client_of(source), clock=timezone.now):
        request_walk(source.name)


@shared_task
def order_champions_again() -> None:
    """Order recomputations of champions whose last one is long ago, a few at a time."""
    order_recomputations_of_champions(days=settings.RECOMPUTE_CHAMPION_DAYS, now=timezone.now())


@shared_task
def watch_what_lapses() -> None:
    """Decide again what a waiver held open that has ended, and alarm about champions."""
    decide_lapsed_promotions(now=timezone.now())
    refresh_lapsed_alarm(now=timezone.now())
    refresh_retired_alarm(now=timezone.now())


@shared_task
def hash_data_again() -> None:
    """Have the data of every served version hashed again where it lies."""
    refresh_data_alarms(now=timezone.now())
    for version_uri in served_versions().values_list("uri", flat=True):
        hash_data_of_version.apply_async((version_uri,), expires=HASH_DATA_SECONDS)


# By the worker that recomputes: it has the credentials for data, and time.
@shared_task(acks_late=False, soft_time_limit=HASH_DATA_SECONDS, time_limit=HASH_DATA_SECONDS + 60)
def hash_data_of_version(version_uri: str) -> None:
    """Hash the data that a version was trained on again; other bytes are stated and alarmed."""
    version = ModelVersion.objects.select_related("registered_model").get(uri=version_uri)
    watch_data(version=version, clock=timezone.now)


# Ten repeats, the negative control, and an hour for all else. What is lost with its worker is not
# given out again by the broker, who could not tell it from one that takes long: whoever works says
# so in the row, and `take_up_open_work` looks there.
@shared_task(
    acks_late=False,
    soft_time_limit=11 * settings.RECOMPUTE_WALL_SECONDS + 3_600,
    time_limit=11 * settings.RECOMPUTE_WALL_SECONDS + 3_660,
)
def recompute_version(recomputation_id: str) -> None:
    """Train a version again in the sandbox, if it is its turn."""
    recomputation = Recomputation.objects.get(pk=recomputation_id)
    perform_recomputation(
        recomputation_id=recomputation.pk,
        client=_client_for(recomputation.version_uri),
        compute=partial(recompute_here, recomputation_id=recomputation.pk),
        concurrency=settings.RECOMPUTE_CONCURRENCY,
        clock=timezone.now,
    )


# Building an environment takes half an hour at most, and a model is asked for a quarter.
@shared_task(acks_late=False, soft_time_limit=3_600, time_limit=3_660)
def predict_on_evaluation_set(job_id: str) -> None:
    """Audit a version with the evaluation set that Muniment holds."""
    job = Job.objects.get(pk=job_id)
    perform_set_audit(
        job_id=job.pk,
        client=_client_for(job.version_uri),
        tools_for=tools_to_evaluate,
        clock=timezone.now,
    )


@shared_task
def render_report_of_version(job_id: str, polls: int = 0) -> None:
    """Render, sign and log a report."""
    progress = issue_report(job_id=UUID(job_id), clock=timezone.now)
    if progress is Progress.WAITING and polls < MAX_POLLS:
        render_report_of_version.apply_async((job_id, polls + 1), countdown=1)


@shared_task
def seal_rollback_token(rollback_id: str, reader: str, polls: int = 0) -> None:
    """Sign a rollback grant for the one page that waits for it."""
    progress = seal_token(rollback_id=UUID(rollback_id), reader=reader, clock=timezone.now)
    if progress is Progress.WAITING and polls < MAX_POLLS:
        seal_rollback_token.apply_async((rollback_id, reader, polls + 1), countdown=1)


@shared_task(bind=True, **_RETRY)
def run_promotion(self: Task[..., None], promotion_id: str, polls: int = 0) -> None:
    """Take an approved promotion to its end."""
    promotion = Promotion.objects.select_related("version").get(pk=promotion_id)
    progress = execute_promotion(
        promotion_id=promotion.pk,
        client=_client_for(promotion.version.uri),
        clock=timezone.now,
    )
    if progress is Progress.WAITING and polls < MAX_POLLS:
        run_promotion.apply_async((promotion_id, polls + 1), countdown=1)
