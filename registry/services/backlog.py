"""Work that thousands of versions wait for at once, taken up a few at a time, champions first."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from audits.models import Evidence, Job
from lineage.models import LineageRecord
from registry.models import ModelVersion, RegistrySource
from registry.services.aliases import is_named_by_governed_alias
from registry.services.work import order_job

# So few are queued at a time that a version registered meanwhile never waits behind thousands.
MAX_QUEUED = 20
_REFILL_BELOW = 5


def backlog_of(source: RegistrySource) -> QuerySet[ModelVersion]:
    """Return the living versions without a lineage record or job, in the order of their turn.

    Those that a governed alias names come first, then the newest. Adoption leaves all of a
    registry here; a version that appears later has its job from the start.
    """
    recorded = LineageRecord.objects.filter(version_uri=OuterRef("uri"))
    ordered = Job.objects.filter(kind=Job.Kind.LINEAGE, version_uri=OuterRef("uri"))
    return (
        ModelVersion.objects.filter(registered_model__source=source, gone_at__isnull=True)
        .filter(~Exists(recorded), ~Exists(ordered))
        .annotate(is_named=is_named_by_governed_alias())
        .order_by("-is_named", "-creation_timestamp_ms", "pk")
    )


def order_backlog(*, source: RegistrySource, now: datetime) -> int:
    """Order the lineage of the next versions of the backlog; return of how many.

    None while enough are queued: whoever finishes one calls again.
    """
    queued = Job.objects.filter(kind=Job.Kind.LINEAGE, status=Job.Status.QUEUED).count()
    if queued >= _REFILL_BELOW:
        return 0
    taken = list(backlog_of(source).values_list("uri", flat=True)[: MAX_QUEUED - queued])
    for uri in taken:
        order_job(kind=Job.Kind.LINEAGE, version_uri=uri, requested_by=None, now=now)
    return len(taken)


def order_audits_of_champions(*, now: datetime) -> int:
    """Order the next audits that versions named by a governed alias lack; return how many.

    Binding a policy to many models leaves them here: each is a bound model's, its lineage is
    recorded, and nobody ever ordered its audit. Others are audited when a promotion is requested.
    None while enough are queued.
    """
    queued = Job.objects.filter(kind=Job.Kind.PREDICTIONS_AUDIT, status=Job.Status.QUEUED).count()
    if queued >= _REFILL_BELOW:
        return 0
    of_version = {"version_uri": OuterRef("uri")}
    lacking = (
        ModelVersion.objects.filter(
            is_named_by_governed_alias(),
            Exists(LineageRecord.objects.filter(**of_version)),
            ~Exists(Evidence.objects.filter(**of_version)),
            ~Exists(Job.objects.filter(kind=Job.Kind.PREDICTIONS_AUDIT, **of_version)),
            registered_model__binding__isnull=False,
            gone_at__isnull=True,
        )
        .order_by("registered_model__binding__bound_at", "pk")
        .values_list("uri", flat=True)
    )
    taken = list(lacking[: MAX_QUEUED - queued])
    for uri in taken:
        order_job(kind=Job.Kind.PREDICTIONS_AUDIT, version_uri=uri, requested_by=None, now=now)
    return len(taken)
