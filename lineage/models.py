"""The lineage record of each version, the places that its parts may be opened from, and the
workflow that trains it again.

A record is a fact, superseded by a later one, never edited.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from audits.models import Evidence, LogEntry
from lineage.domain.graph import MAX_KEY, MAX_NAME, Role
from lineage.domain.recomputation import OPEN_STATUSES, RecomputationStatus

_OPEN = sorted(status.value for status in OPEN_STATUSES)


class LineageRecord(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version_uri = models.CharField(max_length=500)
    stream = models.CharField(max_length=450)
    subject_digest = models.CharField(max_length=80)
    run_id = models.CharField(max_length=64, blank=True)
    legs = models.JSONField()  # {"code": {"grade", "reason", ...}, "data": ..., ...}
    facts = models.JSONField()  # parameters, metrics, commit, remote, data set, packages
    artifacts = models.JSONField()  # {path: sha256}
    recorded_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="lineage_record")

    class Meta:
        db_table = "lineage_record"
        indexes = [models.Index(fields=["version_uri", "-recorded_at"], name="lineage_record_of")]


class ArtifactNode(models.Model):
    """An artifact by its key: a digest, or what stands for one (`lineage.domain.graph`)."""

    key = models.CharField(max_length=MAX_KEY, unique=True)  # its pattern index finds prefixes too

    class Meta:
        db_table = "lineage_node_record"


class ArtifactEdge(models.Model):
    """What a lineage record says that an artifact was to the training."""

    # The constraint's index finds the edges of a record.
    record = models.ForeignKey(
        LineageRecord, on_delete=models.PROTECT, related_name="edges", db_index=False
    )
    node = models.ForeignKey(ArtifactNode, on_delete=models.PROTECT, related_name="edges")
    role = models.CharField(max_length=12, choices=[(one.value, one.value) for one in Role])
    name = models.CharField(max_length=MAX_NAME, blank=True)  # what the record calls it

    class Meta:
        db_table = "lineage_edge_record"
        constraints = [
            models.UniqueConstraint(fields=["record", "role", "node"], name="lineage_edge_once")
        ]


class EnvironmentPackage(models.Model):
    """A package that an environment holds: said once, however many records name the environment."""

    environment = models.ForeignKey(
        ArtifactNode, on_delete=models.PROTECT, related_name="packages", db_index=False
    )
    package = models.ForeignKey(ArtifactNode, on_delete=models.PROTECT, related_name="environments")

    class Meta:
        db_table = "lineage_package_record"
        constraints = [
            models.UniqueConstraint(fields=["environment", "package"], name="lineage_package_once")
        ]


class AllowedPlace(models.Model):
    """A prefix that an admin allowed for what the runs of one registry source name.

    Credentials are never kept here: only the environment variables that hold them.
    """

    class Kind(models.TextChoices):
        DATA = "data"
        CODE = "code"

    # The registry source's name; registry stands above this app, so there is no foreign key.
    source_name = models.SlugField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    prefix = models.CharField(max_length=1_000)
    is_immutable = models.BooleanField(default=False)
    options = models.JSONField(default=dict)
    credentials = models.JSONField(default=dict)  # {"key": "RISK_S3_KEY", ...}
    allowed_at = models.DateTimeField()

    class Meta:
        db_table = "lineage_allowed_place"
        constraints = [
            models.UniqueConstraint(
                fields=["source_name", "kind", "prefix"], name="lineage_allowed_place_once"
            )
        ]


class Recomputation(models.Model):
    """The workflow that trains a version again from its record.

    Whoever works on it holds the lease, and says so every second; a lease outlives the status
    where it was cancelled, until its holder has stopped.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version_uri = models.CharField(max_length=500)
    record = models.ForeignKey(
        LineageRecord, on_delete=models.PROTECT, related_name="recomputations"
    )
    status = models.CharField(
        max_length=10, choices=[(one.value, one.value) for one in RecomputationStatus]
    )
    requested_by = models.UUIDField(null=True)  # None is Muniment itself, on schedule
    repeats = models.PositiveSmallIntegerField()
    negative_control = models.BooleanField()
    step = models.CharField(max_length=30, blank=True)
    log_tail = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failure = models.TextField(blank=True)
    lease = models.UUIDField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    evidence = models.OneToOneField(
        Evidence, on_delete=models.PROTECT, null=True, related_name="recomputation"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version_uri"],
                condition=Q(status__in=_OPEN),
                name="one_open_recomputation",
            ),
            models.CheckConstraint(
                condition=Q(lease__isnull=True, heartbeat_at__isnull=True)
                | Q(lease__isnull=False, heartbeat_at__isnull=False),
                name="recomputation_lease_whole",
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(lease__isnull=False),
                name="recomputation_running_is_leased",
            ),
            models.CheckConstraint(
                condition=Q(status__in=_OPEN, finished_at__isnull=True)
                | (~Q(status__in=_OPEN) & Q(finished_at__isnull=False)),
                name="recomputation_end_is_dated",
            ),
            models.CheckConstraint(
                condition=~Q(status="done") | Q(evidence__isnull=False),
                name="recomputation_done_has_evidence",
            ),
        ]
        indexes = [
            models.Index(fields=["version_uri", "-created_at"], name="recomputation_of"),
            models.Index(
                fields=["created_at"],
                condition=Q(status__in=_OPEN) | Q(lease__isnull=False),
                name="recomputation_open",
            ),
        ]

    @property
    def stream(self) -> str:
        """The model whose stream of the log tells what happens here."""
        return self.record.stream


class DatasetWatch(models.Model):
    """What a dataset that a served version was trained on came to when it was last hashed again.

    `changed` stays until the recorded bytes are back, also while it cannot be read.
    """

    class State(models.TextChoices):
        HELD = "held"
        CHANGED = "changed"
        UNREAD = "unread"

    version_uri = models.CharField(max_length=500)
    role = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    recorded = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State.choices)
    found = models.CharField(max_length=80, blank=True)  # the digest it has now, where it has one
    reason = models.CharField(max_length=600, blank=True)
    read_at = models.DateTimeField()  # when its bytes were last read, or it was first looked for
    looked_at = models.DateTimeField()

    class Meta:
        db_table = "lineage_dataset_watch"
        constraints = [
            models.UniqueConstraint(
                fields=["version_uri", "role", "name"], name="lineage_dataset_watch_once"
            ),
            models.CheckConstraint(
                condition=Q(state="held", reason="") | (~Q(state="held") & ~Q(reason="")),
                name="lineage_dataset_watch_says_why",
            ),
        ]
