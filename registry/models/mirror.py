"""What MLflow says: its registries, their models, versions and aliases, and changes seen there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value

from audits.models import LogEntry
from registry.domain.identity import ModelIdentity, model_uri
from registry.domain.modes import Mode
from registry.domain.violations import ViolationStatus

# Its hourly word may be missed once.
GUARD_SILENT_AFTER = timedelta(hours=2, minutes=15)


class RegistrySource(models.Model):
    """One MLflow server: how it is reached, how it is watched, and how fresh our picture is.

    Credentials are never kept here: a field ending in `_variable` names the environment variable
    that holds one.
    """

    class OnViolation(models.TextChoices):
        ALARM = "alarm"
        REVERT = "revert"

    # The columns have defaults in the database too: a process of the release before, which does
    # not know them, may still add a source while this one is rolled out.
    name = models.SlugField(primary_key=True)
    uri = models.URLField()
    public_url = models.URLField(
        blank=True, default="", db_default=""
    )  # what people's browsers open; empty: the same
    username_variable = models.CharField(max_length=100, blank=True, default="", db_default="")
    password_variable = models.CharField(max_length=100, blank=True, default="", db_default="")
    token_variable = models.CharField(max_length=100, blank=True, default="", db_default="")
    webhook_secret_variable = models.CharField(
        max_length=100, default="MUNIMENT_WEBHOOK_SECRET", db_default="MUNIMENT_WEBHOOK_SECRET"
    )
    ca_bundle = models.CharField(max_length=500, blank=True, default="", db_default="")
    connect_timeout_seconds = models.FloatField(default=3.0, db_default=3.0)
    read_timeout_seconds = models.FloatField(default=60.0, db_default=60.0)
    hash_bytes_per_second = models.BigIntegerField(null=True)  # null: as fast as MLflow gives them
    on_violation = models.CharField(
        max_length=10, choices=OnViolation.choices, default=OnViolation.ALARM, db_default="alarm"
    )
    # When the registry store inside this MLflow was last heard of, hourly at least; null: never.
    gatekeeper_seen_at = models.DateTimeField(null=True)
    walked_at = models.DateTimeField(null=True)
    # What the last walk could make nothing of, as `services.torn` writes it: name → since when.
    torn = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    failed_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failure = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name

    def is_guarded(self, now: datetime) -> bool:
        """Say whether the registry store inside this MLflow was heard from lately.

        It says every hour that it guards. One that is silent for longer may have been taken away.
        """
        seen_at = self.gatekeeper_seen_at
        return seen_at is not None and now - seen_at < GUARD_SILENT_AFTER


class ModeRule(models.Model):
    """How the models whose names match a pattern are watched; the most literal pattern wins."""

    source = models.ForeignKey(RegistrySource, on_delete=models.PROTECT, related_name="mode_rules")
    pattern = models.CharField(max_length=256)
    mode = models.CharField(max_length=10, choices=[(mode.value, mode.value) for mode in Mode])
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "pattern"], name="one_mode_a_pattern")
        ]


def source_query(source: str) -> str:
    """Return what an address adds to a model's name: nothing for the default source."""
    return "" if source == settings.MUNIMENT_SOURCE else f"?{urlencode({'source': source})}"


class RegisteredModel(models.Model):
    """A registered model, by the identity that survives renaming and reuse of its name."""

    source = models.ForeignKey(RegistrySource, on_delete=models.PROTECT)
    creation_timestamp_ms = models.BigIntegerField()
    first_seen_name = models.CharField(max_length=256)
    name = models.CharField(max_length=256)
    row = models.JSONField()  # what MLflow said last, as `row_mapping` writes it
    row_hash = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "creation_timestamp_ms", "first_seen_name"],
                name="registered_model_identity",
            ),
            models.UniqueConstraint(
                fields=["source", "name"],
                condition=Q(gone_at__isnull=True),
                name="registered_model_living_name",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.creation_timestamp_ms, self.first_seen_name)

    @property
    def uri(self) -> str:
        """The model URI: the stream of everything that is said about this model."""
        return model_uri(self.source_id, self.identity)

    @property
    def source_query(self) -> str:
        """What an address adds to the name: nothing for a model of the default source."""
        return source_query(self.source_id)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.row["tags"])

    @property
    def description(self) -> str:
        return str(self.row["description"])


class ModelVersion(models.Model):
    registered_model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="versions"
    )
    version = models.PositiveIntegerField()
    uri = models.CharField(max_length=500, unique=True)
    creation_timestamp_ms = models.BigIntegerField()
    run_id = models.CharField(max_length=64, blank=True)
    source_uri = models.TextField(blank=True)
    stage = models.CharField(max_length=40, blank=True)
    row = models.JSONField()  # what MLflow said last, as `row_mapping` writes it
    row_hash = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)
    # When its files were last hashed; null: never, or there are none to hash.
    hashed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["registered_model", "version"], name="model_version_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.registered_model.name} v{self.version}"

    def show_row(self, row: Mapping[str, Any], row_hash: str) -> None:
        """Take over what MLflow says, as `row_mapping` writes it; nothing is saved."""
        self.row, self.row_hash = dict(row), row_hash
        self.creation_timestamp_ms = row["creation_timestamp_ms"]
        self.run_id, self.source_uri = row["run_id"], row["source"]
        self.stage = row["stage"]

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.row["tags"])

    @property
    def description(self) -> str:
        return str(self.row["description"])


class ModelAlias(models.Model):
    """Where an alias points in MLflow now. Its history is in the log."""

    registered_model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="aliases"
    )
    alias = models.CharField(max_length=256)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="aliases")
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["registered_model", "alias"], name="model_alias_once")
        ]


class AliasChange(models.Model):
    """One move of an alias, seen or made: who was champion when is answered from these."""

    registered_model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="alias_changes"
    )
    alias = models.CharField(max_length=256)
    before = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, related_name="+")
    after = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, related_name="+")
    promotion = models.ForeignKey("Promotion", on_delete=models.PROTECT, null=True)
    rollback = models.ForeignKey("RollbackGrant", on_delete=models.PROTECT, null=True)
    is_violation = models.BooleanField()
    at = models.DateTimeField()
    # One statement adopts a model with all the aliases that it was found with.
    entry = models.ForeignKey(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_alias_record"
        indexes = [models.Index(fields=["registered_model", "alias", "-id"], name="alias_history")]


class Violation(models.Model):
    """A change in MLflow that nothing allowed, until it is undone or somebody answers for it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    registered_model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="violations"
    )
    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, related_name="violations"
    )
    event = models.CharField(max_length=40)
    alias = models.CharField(max_length=256, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    status = models.CharField(max_length=10, choices=[(s.value, s.value) for s in ViolationStatus])
    can_be_undone = models.BooleanField()
    attempts = models.PositiveSmallIntegerField(default=0)
    failure = models.TextField(blank=True)
    found_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="violation")

    class Meta:
        indexes = [
            models.Index(fields=["registered_model", "-found_at"], name="violation_of_model"),
            models.Index(F("found_at").desc(), condition=Q(status="open"), name="violation_open"),
        ]


class WebhookDelivery(models.Model):
    """A delivery id that was already seen; a replay is ignored."""

    delivery_id = models.UUIDField(primary_key=True)
    received_at = models.DateTimeField()
