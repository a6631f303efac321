"""Withdrawn datasets: who withdrew which, and the versions that were made from them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from audits.models import LogEntry
from registry.domain.withdrawal import Cause
from registry.models.mirror import ModelVersion


class Withdrawal(models.Model):
    """One person's signature that a dataset may no longer be used; it waits for another's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    dataset = models.CharField(max_length=80)  # its digest, as `algorithm:hex`
    cause = models.CharField(max_length=12, choices=[(one.value, one.value) for one in Cause])
    reason_commitment = models.CharField(max_length=64)
    proposer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    proposed_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_withdrawal_record"
        indexes = [
            models.Index(fields=["-proposed_at"], name="withdrawal_newest"),
            models.Index(fields=["dataset"], name="withdrawal_of_dataset"),
        ]


class WithdrawalApproval(models.Model):
    """The second signature, which withdraws the dataset or refuses to; there is one at most.

    `proposer` repeats the withdrawal's, so that the database itself refuses their second
    signature; a composite foreign key (migration 0007) keeps it true.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    withdrawal = models.OneToOneField(Withdrawal, on_delete=models.PROTECT, related_name="approval")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    verdict = models.CharField(max_length=10)
    reason_commitment = models.CharField(max_length=64, blank=True)
    signed_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_withdrawal_approval"
        constraints = [
            models.CheckConstraint(
                condition=~Q(person=F("proposer")), name="withdrawal_by_two_people"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["approve", "refuse"]), name="withdrawal_verdict"
            ),
        ]


class WithdrawnVersion(models.Model):
    """A version that was made from a withdrawn dataset, as its model's stream states it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.PROTECT, related_name="versions")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="withdrawn")
    found_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_withdrawn_record"
        constraints = [
            models.UniqueConstraint(fields=["withdrawal", "version"], name="withdrawn_once")
        ]
