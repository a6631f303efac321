"""What may happen to a version: policies, promotions, decisions, approvals and grants."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.domain.signature import SignatureMethod
from audits.models import LogEntry
from registry.domain.emergency import Emergency
from registry.domain.promotion import OPEN_STATUSES, PromotionStatus
from registry.domain.words import ReviewVerdict
from registry.models.mirror import ModelVersion, RegisteredModel, Violation


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


class PolicyRetirement(models.Model):
    """A policy version by which nothing passes any more, and that is bound no more."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    policy = models.OneToOneField(Policy, on_delete=models.PROTECT, related_name="retirement")
    retired_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_policy_retirement_record"


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
    # Empty for what the policy decides; else the kind of emergency that moves the alias at once.
    emergency = models.CharField(max_length=10, blank=True, default="", db_default="")
    requested_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "alias"],
                condition=Q(status__in=sorted(OPEN_STATUSES)),
                name="one_open_promotion",
            ),
            models.CheckConstraint(
                condition=Q(emergency__in=["", *(kind.value for kind in Emergency)]),
                name="promotion_emergency",
            ),
        ]
        indexes = [models.Index(F("updated_at").desc(), name="promotion_newest")]


class ReviewAssignment(models.Model):
    """Somebody was asked to review a promotion; it gives no right to, and takes none away."""

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="assignments")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    assigned_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["promotion", "person"], name="assigned_once")
        ]


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
    role = models.CharField(max_length=60)
    verdict = models.CharField(max_length=20)
    meaning = models.CharField(max_length=200)
    person_commitment = models.CharField(max_length=64)
    reason_commitment = models.CharField(max_length=64, blank=True)
    evidence_digest = models.CharField(max_length=64)
    signature = models.CharField(
        max_length=10,
        default=SignatureMethod.PASSWORD.value,
        db_default=SignatureMethod.PASSWORD.value,
    )
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
                condition=Q(verdict__in=[verdict.value for verdict in ReviewVerdict]),
                name="approval_verdict",
            ),
            models.CheckConstraint(
                condition=Q(signature__in=[method.value for method in SignatureMethod]),
                name="approval_signature",
            ),
            models.UniqueConstraint(
                # What was taken back is not signed again, but something else can be.
                fields=["promotion", "person", "evidence_digest", "verdict"],
                name="approval_once",
            ),
        ]

    def statement_fields(self) -> dict[str, object]:
        """Return what the log says of this signature."""
        more = {} if self.signature == SignatureMethod.PASSWORD else {"signature": self.signature}
        return more | {
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
    """The single-use permission that the registry store honours: a promotion's, or to undo one
    change of a violation."""

    class Status(models.TextChoices):
        WRITTEN = "written"
        RESERVED = "reserved"
        CONFIRMED = "confirmed"
        VOID = "void"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, null=True, related_name="grants"
    )
    violation = models.ForeignKey(
        Violation, on_delete=models.PROTECT, null=True, related_name="grants"
    )
    change_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
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
            ),
            models.CheckConstraint(
                condition=Q(promotion__isnull=False, violation__isnull=True, change_sha256="")
                | (Q(promotion__isnull=True, violation__isnull=False) & ~Q(change_sha256="")),
                name="grant_of_one_thing",
            ),
        ]
