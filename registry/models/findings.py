"""Findings that approvals were conditional on, their owners' answers, and who closed them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from audits.models import LogEntry
from registry.domain.findings import Severity
from registry.models.mirror import ModelVersion
from registry.models.promotions import Promotion


class ReviewFinding(models.Model):
    """A reviewer signed that something has to be put right, by whom and by when."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="findings")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="findings")
    severity = models.CharField(max_length=10)
    text_commitment = models.CharField(max_length=64)
    raised_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    due_at = models.DateTimeField()
    raised_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_finding_record"
        constraints = [
            models.CheckConstraint(
                condition=Q(severity__in=[one.value for one in Severity]), name="finding_severity"
            ),
            models.CheckConstraint(
                condition=~Q(owner=F("raised_by")), name="finding_of_somebody_else"
            ),
        ]


class FindingAnswer(models.Model):
    """What the owner of a finding says to it; the last one counts."""

    finding = models.ForeignKey(ReviewFinding, on_delete=models.PROTECT, related_name="answers")
    text_commitment = models.CharField(max_length=64)
    at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_finding_answer_record"


class FindingClosure(models.Model):
    """A reviewer signed that a finding was put right.

    `owner` repeats the finding's, so that the database itself refuses their signature.
    """

    finding = models.OneToOneField(ReviewFinding, on_delete=models.PROTECT, related_name="closure")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_finding_closure_record"
        constraints = [
            models.CheckConstraint(
                condition=~Q(person=F("owner")), name="finding_not_closed_by_owner"
            )
        ]
