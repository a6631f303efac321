"""What was found, and the log that proves it.

Tables whose names end in `_entry`, `_leaf`, `_checkpoint`, `_evidence` or `_record` hold facts:
migration 0002 makes them append-only in the database itself.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from muniment.attest.envelope import MAX_ENVELOPE_BYTES


class LogEntry(models.Model):
    """One signed statement. An entry without a leaf is pending."""

    envelope = models.BinaryField(editable=False)  # the exact signed bytes, never serialised again
    sha256 = models.CharField(max_length=64, unique=True)
    predicate_type = models.CharField(max_length=100)
    event = models.CharField(max_length=60)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=64)
    subject_name = models.CharField(max_length=500)
    subject_digest = models.CharField(max_length=80)
    stream = models.CharField(max_length=450, null=True)
    stream_seq = models.BigIntegerField(null=True)
    is_violation = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        db_table = "audits_log_entry"
        constraints = [
            models.UniqueConstraint(fields=["stream", "stream_seq"], name="log_entry_stream_seq"),
            models.CheckConstraint(
                condition=Q(stream__isnull=True, stream_seq__isnull=True)
                | Q(stream__isnull=False, stream_seq__gte=0),
                name="log_entry_stream_whole",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("envelope"), MAX_ENVELOPE_BYTES),
                name="log_entry_size",
            ),
        ]
        indexes = [
            models.Index(fields=["event", "-id"], name="log_entry_event"),
            models.Index(fields=["subject_name", "-id"], name="log_entry_subject"),
            models.Index(fields=["actor_id", "-id"], name="log_entry_actor"),
            models.Index(fields=["at", "-id"], name="log_entry_at"),
            models.Index(
                fields=["-id"], condition=Q(is_violation=True), name="log_entry_violation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.subject_name}"


class LogLeaf(models.Model):
    """The place of an entry in the tree; written by the sequencer alone."""

    leaf_index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="leaf")
    leaf_hash = models.BinaryField()

    class Meta:
        db_table = "audits_log_leaf"


class LogCheckpoint(models.Model):
    """A signed tree head; written by the sequencer alone."""

    tree_size = models.BigIntegerField(primary_key=True)
    root_hash = models.BinaryField()
    note = models.BinaryField()
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "audits_log_checkpoint"


class LogPending(models.Model):
    """An entry that has no leaf yet. A trigger adds it with the entry, the sequencer removes it.

    The truth is that an entry has no leaf; these rows only save the sequencer the search for it.
    """

    entry = models.OneToOneField(
        LogEntry, primary_key=True, on_delete=models.PROTECT, related_name="pending"
    )
    # Why it will never be sequenced as it is; empty while it waits.
    refused_code = models.CharField(max_length=60, blank=True, default="")
    refused_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "audits_log_pending"
        constraints = [
            models.CheckConstraint(
                condition=Q(refused_code="", refused_at__isnull=True)
                | (~Q(refused_code="") & Q(refused_at__isnull=False)),
                name="log_pending_refusal_whole",
            )
        ]


class LogTile(models.Model):
    """The hashes of one tile of the tree, derived from the leaves; the last of a level grows."""

    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()  # 1 to 256 of them, 32 bytes each

    class Meta:
        db_table = "audits_log_tile"
        constraints = [
            models.UniqueConstraint(fields=["level", "index"], name="log_tile_place"),
        ]


class LogTimestamp(models.Model):
    """An RFC 3161 token over the exact bytes of a checkpoint's note, from an independent clock."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    checkpoint = models.ForeignKey(
        LogCheckpoint, on_delete=models.PROTECT, related_name="timestamps"
    )
    token = models.BinaryField()  # TimeStampToken, DER
    stamped_at = models.DateTimeField()  # as the token says

    class Meta:
        db_table = "audits_log_timestamp_record"
        indexes = [models.Index(fields=["-stamped_at"], name="log_timestamp_newest")]


class LogCosignature(models.Model):
    """What a witness said of a checkpoint: one signature line, its newline included."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    checkpoint = models.ForeignKey(
        LogCheckpoint, on_delete=models.PROTECT, related_name="cosignatures"
    )
    vkey = models.CharField(max_length=400)
    line = models.TextField()
    cosigned_at = models.DateTimeField()  # as the witness says

    class Meta:
        db_table = "audits_log_cosignature_record"
        constraints = [
            models.UniqueConstraint(fields=["checkpoint", "vkey"], name="log_cosignature_once")
        ]
        indexes = [models.Index(fields=["vkey", "-checkpoint"], name="log_cosignature_newest")]


class LogPublication(models.Model):
    """A checkpoint that enough witnesses cosigned, with their signatures: where a quorum is asked
    for, only such a one is handed out."""

    checkpoint = models.OneToOneField(
        LogCheckpoint, primary_key=True, on_delete=models.PROTECT, related_name="publication"
    )
    note = models.BinaryField()
    published_at = models.DateTimeField()

    class Meta:
        db_table = "audits_log_publication_record"


class LogVerification(models.Model):
    """One run of the full verification: what was recomputed, and what was found."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    tree_size = models.BigIntegerField()
    holds = models.BooleanField()
    findings = models.JSONField()

    class Meta:
        db_table = "audits_log_verification_record"
        indexes = [models.Index(fields=["-finished_at"], name="log_verification_newest")]


class Alarm(models.Model):
    """Something about the log that people must look at; everybody sees it until it is cleared."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    code = models.CharField(max_length=60)
    message = models.TextField()
    raised_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(cleared_at__isnull=True), name="one_open_alarm"
            )
        ]


class Stream(models.Model):
    """The head of one registered model's chain of statements; its row lock orders them."""

    stream = models.CharField(max_length=450, primary_key=True)
    next_seq = models.BigIntegerField(default=0)
    last_sha256 = models.CharField(max_length=64, blank=True)


class Disclosure(models.Model):
    """Opens one commitment made in the log. Deleting the row erases the person or the text."""

    commitment = models.CharField(max_length=64, primary_key=True)
    salt = models.BinaryField()
    person_id = models.UUIDField(null=True)
    printed_name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=40, blank=True)
    text = models.TextField(blank=True)


class Evidence(models.Model):
    """A finding about a version, with the measurements that a gate judges again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version_uri = models.CharField(max_length=500)
    subject_digest = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    origin = models.CharField(max_length=10)
    conclusion = models.CharField(max_length=12)
    reasons = models.JSONField(default=list)
    criteria = models.JSONField(default=dict)
    measurements = models.JSONField(default=dict)
    inputs = models.JSONField(default=list)
    produced_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="evidence")

    class Meta:
        db_table = "audits_evidence"
        constraints = [
            models.CheckConstraint(
                condition=Q(conclusion__in=["pass", "fail", "insufficient", "error"]),
                name="evidence_conclusion",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=["computed", "reported"]), name="evidence_origin"
            ),
        ]
        indexes = [models.Index(fields=["version_uri", "kind", "-produced_at"], name="evidence_of")]


class Job(models.Model):
    """Work under way for a version: its lineage, an audit of its predictions, or a report.

    Whoever works for long holds a `lease` and says every second that it is still there, and at
    which `step`.
    """

    class Kind(models.TextChoices):
        LINEAGE = "lineage"
        PREDICTIONS_AUDIT = "predictions_audit"
        SET_AUDIT = "set_audit"
        SCAN = "scan"
        REPORT = "report"

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    kind = models.CharField(max_length=30, choices=Kind.choices)
    version_uri = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)
    lease = models.UUIDField(null=True)
    step = models.CharField(max_length=30, blank=True, default="", db_default="")
    requested_by = models.UUIDField(null=True)
    report = models.ForeignKey("Report", null=True, on_delete=models.PROTECT)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "version_uri"],
                condition=Q(status__in=["queued", "running"]),
                name="one_open_job",
            ),
        ]
        indexes = [models.Index(F("created_at").desc(), name="job_newest")]


class Report(models.Model):
    """One signed PDF, its bytes as issued, and its hash in the log."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version_uri = models.CharField(max_length=500)
    pdf = models.BinaryField()
    sha256 = models.CharField(max_length=64, unique=True)
    dossier_sha256 = models.CharField(max_length=64)
    tree_size = models.BigIntegerField()
    requested_by = models.UUIDField(null=True)
    issued_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="report")

    class Meta:
        db_table = "audits_report_record"
        indexes = [models.Index(fields=["version_uri", "-issued_at"], name="report_of")]


class RefusalCount(models.Model):
    """Refused requests by actor and minute, so that strangers cannot grow the log itself."""

    actor = models.CharField(max_length=100)
    reason = models.CharField(max_length=60)
    minute = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["actor", "reason", "minute"], name="refusal_count_minute"
            )
        ]
