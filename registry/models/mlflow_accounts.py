"""Whose the accounts are with which people and services sign in to MLflow."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models.mirror import RegistrySource


class MlflowAccount(models.Model):
    """An account of one MLflow server, and the person whom it stands for.

    Of a service that is its owner. Without a person it is declared only, and stands for nobody;
    the log knows it by its id.
    """

    class Kind(models.TextChoices):
        PERSON = "person", "A person's own"
        SERVICE = "service", "A service's, mapped to its owner"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    source = models.ForeignKey(RegistrySource, on_delete=models.PROTECT, related_name="accounts")
    account = models.CharField(max_length=255)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PERSON)
    mapped_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "account"], name="mlflow_account_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["person", "service"]), name="mlflow_account_kind"
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=True) | Q(mapped_at__isnull=False),
                name="mlflow_account_mapped_when",
            ),
        ]
