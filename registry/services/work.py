"""Ordering work: a row that says so and, once it is committed, the task that does it.

The row is the order; the task is a messenger. One that is lost with Redis is sent again by
`take_up_open_work`, and one that comes twice finds the work claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from celery import current_app
from django.db import transaction

from audits.models import Job
from audits.services.evidence import open_job
from lineage.models import Recomputation
from registry.models import Promotion, Violation

# By name: the tasks call the services, not the other way round.
_TASKS: Final[Mapping[str, str]] = {
    Job.Kind.LINEAGE: "registry.tasks.record_lineage",
    Job.Kind.PREDICTIONS_AUDIT: "registry.tasks.audit_predictions_of_version",
    Job.Kind.SET_AUDIT: "registry.tasks.predict_on_evaluation_set",
    Job.Kind.SCAN: "registry.tasks.scan_files_of_version",
    Job.Kind.REPORT: "registry.tasks.render_report_of_version",
}
_RUN_PROMOTION: Final = "registry.tasks.run_promotion"
_REVERT_VIOLATION: Final = "registry.tasks.revert_violation_in_mlflow"
_RECOMPUTE: Final = "registry.tasks.recompute_version"
_SEAL_ROLLBACK: Final = "registry.tasks.seal_rollback_token"


def order_job(*, kind: Job.Kind, version_uri: str, requested_by: UUID | None, now: datetime) -> Job:
    """Return the open job of this kind for a version; a new one is sent when all is committed."""
    job, is_new = open_job(kind=kind, version_uri=version_uri, requested_by=requested_by, now=now)
    if is_new:
        send_job(job)
    return job


def send_job(job: Job) -> None:
    """Send the task that does this job, once the transaction at hand is committed."""
    _send(_TASKS[job.kind], str(job.pk))


def send_promotion(promotion: Promotion) -> None:
    """Send the task that executes a promotion, once the transaction at hand is committed."""
    _send(_RUN_PROMOTION, str(promotion.pk))


def send_revert(violation: Violation) -> None:
    """Send the task that undoes a violation, once the transaction at hand is committed."""
    _send(_REVERT_VIOLATION, str(violation.pk))


def send_recomputation(recomputation: Recomputation) -> None:
    """Send the task that recomputes a version, once the transaction at hand is committed."""
    _send(_RECOMPUTE, str(recomputation.pk))


def send_rollback(rollback_id: UUID, reader: str) -> None:
    """Send the task that signs a rollback grant for the one who waits for it."""
    _send(_SEAL_ROLLBACK, str(rollback_id), reader)


def _send(task: str, *arguments: str) -> None:
    transaction.on_commit(lambda: current_app.send_task(task, arguments), robust=True)
