"""What MLflow says (mirror), and what may happen to it (policies, promotions, grants)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from audits.models import LogEntry
from registry.domain.identity import ModelIdentity, model_uri
from registry.domain.promotion import OPEN_STATUSES, PromotionStatus


class RegistrySource(models.Model):
    """One MLflow server, and how fresh our picture of it is."""

    name = models.SlugField(primary_key=True)
    uri = models.URLField()
    walked_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.TextField(blank=True)


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

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["registered_model", "version"], name="model_version_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.registered_model.name} v{self.version}"

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
    is_violation = models.BooleanField()
    at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT)

    class Meta:
        db_table = "registry_alias_record"
        indexes = [models.Index(fields=["registered_model", "alias", "-id"], name="alias_history")]


class Policy(models.Model):
    """One published version of a policy: its exact bytes, found by their digest."""

    digest = models.CharField(max_length=80, primary_key=True)
    name = models.SlugField()
    version = models.PositiveIntegerField()
    document = models.BinaryField()
    published_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT)

    class Meta:
        db_table = "registry_policy_record"
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="policy_name_version")
        ]


class PolicyBinding(models.Model):
    """Which policy and risk tier a model has; set here by admins, never by the model's tags."""

    registered_model = models.OneToOneField(
        RegisteredModel, on_delete=models.PROTECT, related_name="binding"
    )
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT)
    risk_tier = models.CharField(max_length=40)
    bound_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    bound_at = models.DateTimeField()


class Promotion(models.Model):
    """The workflow that moves an alias to a version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="promotions")
    alias = models.CharField(max_length=256)
    status = models.CharField(max_length=20, choices=[(s.value, s.value) for s in PromotionStatus])
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="requested_promotions"
    )
    trainer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    note = models.TextField(blank=True)
    replaces = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, related_name="+"
    )
    failure = models.TextField(blank=True)
    requested_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "alias"],
                condition=Q(status__in=sorted(OPEN_STATUSES)),
                name="one_open_promotion",
            ),
        ]
        indexes = [models.Index(F("updated_at").desc(), name="promotion_newest")]


class Decision(models.Model):
    """The result of evaluating a policy once, with all that is needed to replay it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="decisions")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, null=True)
    verdict = models.CharField(max_length=10)
    evidence_digest = models.CharField(max_length=64)
    content = models.JSONField()
    decided_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT)

    class Meta:
        db_table = "registry_decision"


class Approval(models.Model):
    """A signed review verdict on exactly the evidence that was shown.

    `requester` and `trainer` repeat the promotion's, so that the database itself refuses a
    signature by either; a composite foreign key (migration 0002) keeps the requester true.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="approvals")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals"
    )
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    trainer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    role = models.CharField(max_length=20)
    verdict = models.CharField(max_length=10)
    meaning = models.CharField(max_length=200)
    person_commitment = models.CharField(max_length=64)
    reason_commitment = models.CharField(max_length=64, blank=True)
    evidence_digest = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="approval")

    class Meta:
        db_table = "registry_approval"
        constraints = [
            models.CheckConstraint(
                condition=~Q(person=F("requester")), name="approval_not_by_requester"
            ),
            models.CheckConstraint(
                condition=Q(trainer__isnull=True) | ~Q(person=F("trainer")),
                name="approval_not_by_trainer",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["approve", "refuse"]), name="approval_verdict"
            ),
            models.UniqueConstraint(
                fields=["promotion", "person", "evidence_digest"], name="approval_once"
            ),
        ]

    def statement_fields(self) -> dict[str, object]:
        """Return what the log says of this signature."""
        return {
            "promotion_id": str(self.promotion_id),
            "alias": self.promotion.alias,
            "version_uri": self.promotion.version.uri,
            "verdict": self.verdict,
            "meaning": self.meaning,
            "evidence_digest": self.evidence_digest,
            "person": {"id": str(self.person_id), "commitment": self.person_commitment},
            "role": self.role,
            "reason_commitment": self.reason_commitment or None,
        }


class Dismissal(models.Model):
    """An approval that no longer counts, because the evidence is not what was signed."""

    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="dismissal")
    reason = models.CharField(max_length=200)
    at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT)

    class Meta:
        db_table = "registry_dismissal_record"


class Grant(models.Model):
    """The single-use permission that the registry store honours."""

    class Status(models.TextChoices):
        WRITTEN = "written"
        RESERVED = "reserved"
        CONFIRMED = "confirmed"
        VOID = "void"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="grants")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WRITTEN)
    written_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    reserved_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["promotion"],
                condition=~Q(status="void"),
                name="one_living_grant",
            )
        ]


class WebhookDelivery(models.Model):
    """A delivery id that was already seen; a replay is ignored."""

    delivery_id = models.UUIDField(primary_key=True)
    received_at = models.DateTimeField()
