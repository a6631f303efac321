"""People and the tokens that act for them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Role(models.TextChoices):
    ENGINEER = "engineer"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMIN = "admin"


class User(AbstractBaseUser):
    """A person. In the log they appear under `id` alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=150, unique=True)
    printed_name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices), default=list)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["printed_name"]
    objects: ClassVar[BaseUserManager[User]] = BaseUserManager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(roles__contained_by=list(Role.values)), name="user_roles_known"
            )
        ]

    def __str__(self) -> str:
        return self.printed_name


class ApiToken(models.Model):
    """A bearer token, kept as its SHA-256; the secret is shown once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=30), default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)


class SignatureAttempt(models.Model):
    """A failed re-authentication at signing; too many lock signing for a while."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "-at"], name="signature_attempt_recent")]
