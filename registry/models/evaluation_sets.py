"""Evaluation sets that Muniment holds, and which of them a model is audited with."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from audits.models import LogEntry
from registry.models.mirror import RegisteredModel


class EvaluationSet(models.Model):
    """One version of a registered evaluation set. Its bytes lie where only the worker reads."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.SlugField(max_length=60)
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=80)  # of the file's bytes, as `sha256:hex`
    media = models.CharField(max_length=60)
    rows = models.BigIntegerField()
    columns = models.JSONField()
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    registered_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_evaluation_set_record"
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="evaluation_set_version")
        ]

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


class EvaluationSetBinding(models.Model):
    """An admin's word on which version of a set a model is audited with; the newest counts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    registered_model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="evaluation_sets"
    )
    evaluation_set = models.ForeignKey(
        EvaluationSet, on_delete=models.PROTECT, related_name="bindings"
    )
    bound_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    bound_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "registry_evaluation_set_binding_record"
        indexes = [
            models.Index(fields=["registered_model", "-entry"], name="evaluation_set_of_model")
        ]
