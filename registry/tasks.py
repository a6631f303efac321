"""Celery edges: each calls one service, and raises what it could not do, to be tried again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings
from django.core.cache import cache
from django.db.models import Q
from django.utils import timezone

from audits.models import Job
from audits.services.evidence import LOST_AFTER
from lineage.errors import LineageError, MlflowUnavailable
from lineage.mlflow import MlflowClient
from registry.domain.mirror import Walk
from registry.models import Promotion
from registry.services.execution import Progress, execute_promotion
from registry.services.lineage import record_version_lineage
from registry.services.mirror import apply_walk, ensure_source, record_walk_failure
from registry.services.predictions import audit_version
from registry.services.reports import issue_report
from registry.services.walk import walk_mlflow
from registry.services.work import send_job, send_promotion

# A hint that came while a walk was queued is served by that walk; one that came later is not.
_WALK_WANTED = "registry:walk-wanted"
_RETRY: dict[str, Any] = {
    "autoretry_for": (MlflowUnavailable,),
    "retry_backoff": 2,
    "retry_backoff_max": 60,
    "max_retries": 8,
}


# Who waits for the log asks again every second for so long; then `take_up_open_work` does, or
# every round of that would start one more that asks for ever.
MAX_POLLS = 15


def _client() -> MlflowClient:
    return MlflowClient(settings.MLFLOW_TRACKING_URI)


def request_walk() -> None:
    """Have the registry walked soon; many requests in a row are one walk."""
    if cache.add(_WALK_WANTED, True, timeout=60):
        walk_registry.delay()


@shared_task(**_RETRY)
def walk_registry() -> None:
    """Bring the mirror to what MLflow says."""
    cache.delete(_WALK_WANTED)
    source = ensure_source(name=settings.MUNIMENT_SOURCE, uri=settings.MLFLOW_TRACKING_URI)
    started_at = timezone.now()
    try:
        walk: Walk = walk_mlflow(_client())
    except LineageError as error:
        record_walk_failure(source=source, failure=str(error), now=timezone.now())
        raise
    apply_walk(source=source, walk=walk, started_at=started_at, now=timezone.now())


@shared_task
def take_up_open_work() -> None:
    """Send again what is open and that nobody may be working on; twice is once."""
    lost = Q(status=Job.Status.RUNNING, updated_at__lt=timezone.now() - LOST_AFTER)
    for job in Job.objects.filter(lost | Q(status=Job.Status.QUEUED)).order_by("created_at")[:200]:
        send_job(job)
    for promotion in Promotion.objects.filter(status__in=["approved", "executing"]):
        send_promotion(promotion)


@shared_task(**_RETRY)
def record_lineage(job_id: str) -> None:
    """Record what a version was made of."""
    record_version_lineage(job_id=UUID(job_id), client=_client(), clock=timezone.now)


@shared_task(**_RETRY)
def audit_predictions_of_version(job_id: str) -> None:
    """Audit the predictions that were logged with a version."""
    audit_version(job_id=UUID(job_id), client=_client(), clock=timezone.now)


@shared_task
def render_report_of_version(job_id: str, polls: int = 0) -> None:
    """Render, sign and log a report."""
    progress = issue_report(job_id=UUID(job_id), clock=timezone.now)
    if progress is Progress.WAITING and polls < MAX_POLLS:
        render_report_of_version.apply_async((job_id, polls + 1), countdown=1)


@shared_task(bind=True, **_RETRY)
def run_promotion(self: Task[..., None], promotion_id: str, polls: int = 0) -> None:
    """Take an approved promotion to its end."""
    progress = execute_promotion(
        promotion_id=UUID(promotion_id), client=_client(), clock=timezone.now
    )
    if progress is Progress.WAITING and polls < MAX_POLLS:
        run_promotion.apply_async((promotion_id, polls + 1), countdown=1)
