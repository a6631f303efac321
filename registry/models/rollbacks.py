"""Rollback grants: permission, signed beforehand, to put an alias back while Muniment is down."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from audits.models import LogEntry
from registry.domain.rollback import MAX_VALID_DAYS, RollbackStatus
from registry.models.mirror import ModelVersion


class RollbackGrant(models.Model):
    """The workflow of one rollback grant; its id is the grant's own.

    The token is never stored. `sealed_token` holds it for the seconds between the worker that
    signs it and the one page that it is handed out on, readable to that page's process alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="rollbacks")
    from_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    alias = models.CharField(max_length=256)
    status = models.CharField(max_length=12, choices=[(s.value, s.value) for s in RollbackStatus])
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    note = models.TextField()
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    token_sha256 = models.CharField(max_length=64, blank=True)
    sealed_token = models.BinaryField(null=True)
    used_at = models.DateTimeField(null=True)  # by the clock of the MLflow server
    found_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(version=F("from_version")), name="rollback_is_a_move"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("requested_at") + timedelta(days=MAX_VALID_DAYS)),
                name="rollback_expires",
            ),
        ]
        indexes = [models.Index(F("updated_at").desc(), name="rollback_newest")]


class RollbackApproval(models.Model):
    """A signed verdict on a rollback grant: before it is given, or on its use.

    `requester` repeats the grant's, so that the database itself refuses their signature; a
    composite foreign key (migration 0004) keeps it true.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    rollback = models.ForeignKey(RollbackGrant, on_delete=models.PROTECT, related_name="approvals")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    verdict = models.CharField(max_length=10)
    signed_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_rollback_approval"
        constraints = [
            models.CheckConstraint(
                condition=~Q(person=F("requester")), name="rollback_not_by_requester"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["approve", "refuse", "accept", "reject"]),
                name="rollback_verdict",
            ),
            models.UniqueConstraint(
                fields=["rollback", "person", "verdict"], name="rollback_verdict_once"
            ),
        ]
