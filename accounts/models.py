"""People, the tokens that act for them, and what they are told."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Cast, Concat
from django.db.models.lookups import Regex

from accounts.domain.groups import NAME, PREFIX
from accounts.domain.mail import MAX_SUBJECT, MailStatus
from accounts.domain.proposals import Verdict
from accounts.domain.signature import SignatureMethod
from audits.models import LogEntry


class Role(models.TextChoices):
    ENGINEER = "engineer"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMIN = "admin"


_KNOWN_ROLES = (*Role.values, f"{PREFIX}{NAME}")
_ROLES_TEXT = Func(F("roles"), Value(","), function="array_to_string", output_field=TextField())


class User(AbstractBaseUser):
    """A person. In the log they appear under `id` alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=150, unique=True)
    printed_name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    # Groups too, as `group:name`; only reviewers are in one.
    roles = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField()
    # When a role that signs or a credential was last given; signing begins a while after.
    signing_changed_at = models.DateTimeField(null=True)
    # Never taken back: once two people were admins, nobody is ever again enough alone.
    was_admin = models.BooleanField(default=False, db_default=False)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["printed_name"]
    objects: ClassVar[BaseUserManager[User]] = BaseUserManager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(Regex(_ROLES_TEXT, f"^(({'|'.join(_KNOWN_ROLES)})(,|$))*$")),
                name="user_roles_known",
                violation_error_message=f"The roles are {', '.join(Role.values)}.",
            ),
            models.CheckConstraint(
                condition=~Q(Regex(_ROLES_TEXT, f"(^|,){PREFIX}"))
                | Q(roles__contains=[Role.REVIEWER.value]),
                name="user_groups_of_reviewers",
            ),
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
    """A failed re-authentication at signing; too many lock signing for a while.

    All of them count together. What was wrong is cleared only by showing just that, else whoever
    has the password could guess codes for ever.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    at = models.DateTimeField()
    method = models.CharField(
        max_length=10,
        default=SignatureMethod.PASSWORD.value,
        db_default=SignatureMethod.PASSWORD.value,
    )

    class Meta:
        indexes = [models.Index(fields=["user", "-at"], name="signature_attempt_recent")]


class Credential(models.Model):
    """What a person signs with beside the password: a passkey, or a device with one-time codes.

    Of a passkey Muniment has the public key alone. The secret that codes are made from is kept
    encrypted, and never shown again.
    """

    class Kind(models.TextChoices):
        PASSKEY = "passkey", "Passkey"
        TOTP = "totp", "One-time codes"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    label = models.CharField(max_length=60)
    enrolled_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)  # by a second person; signs nothing before
    credential_id = models.BinaryField(null=True, unique=True)
    public_key_cose = models.BinaryField(null=True)
    public_key_spki = models.BinaryField(null=True)
    sign_count = models.BigIntegerField(default=0)
    transports = ArrayField(models.CharField(max_length=20), default=list)
    sealed_secret = models.BinaryField(null=True)
    last_counter = models.BigIntegerField(null=True)  # no code is taken twice

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind="passkey",
                    credential_id__isnull=False,
                    public_key_cose__isnull=False,
                    public_key_spki__isnull=False,
                    sealed_secret__isnull=True,
                )
                | Q(
                    kind="totp",
                    credential_id__isnull=True,
                    public_key_cose__isnull=True,
                    public_key_spki__isnull=True,
                    sealed_secret__isnull=False,
                    last_counter__isnull=False,
                ),
                name="credential_whole",
            ),
            models.UniqueConstraint(
                fields=["person"], condition=Q(kind="totp"), name="credential_one_totp"
            ),
        ]


class PasswordReset(models.Model):
    """A way to a new password that two people opened: once, for a day; each was shown one code."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="password_resets")
    first_sha256 = models.CharField(max_length=64)
    second_sha256 = models.CharField(max_length=64)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    failures = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=Q(ended_at=None), name="password_reset_one_open"
            )
        ]


class Ceremony(models.Model):
    """Something that a person began in one session and ends there within minutes, once.

    `challenge` is what their passkey is to sign; `draft` what is needed to come to it again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="ceremonies")
    session_sha256 = models.CharField(max_length=64)
    about = models.CharField(max_length=100)
    challenge = models.CharField(max_length=64, blank=True)
    draft = models.JSONField(default=dict)
    begun_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "about"], name="ceremony_one_at_a_time")
        ]


class NoticeKind(models.TextChoices):
    LOG = "log", "Alarms about the log"
    REGISTRY = "registry", "Alarms about MLflow"
    REVIEW = "review", "Reviews of yours"


class Notice(models.Model):
    """Something that people with certain roles are told: once, and settled when it is over."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=30, choices=NoticeKind.choices)
    subject = models.CharField(max_length=MAX_SUBJECT)  # one line
    text = models.TextField(blank=True)  # never in an e-mail
    path = models.CharField(max_length=500)  # in Muniment, where one goes on
    audience = ArrayField(models.CharField(max_length=20, choices=Role.choices))
    # Pseudonymous ids of people who are told whatever their roles; most notices name nobody.
    people = ArrayField(models.UUIDField(), default=list, db_default=[])
    # Names one happening: what is posted again under it is the same notice.
    dedup_key = models.CharField(max_length=200, unique=True)
    posted_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(audience__contained_by=list(Role.values))
                & ~(Q(audience=[]) & Q(people=[])),
                name="notice_audience_known",
            ),
            models.CheckConstraint(
                condition=Q(path__startswith="/") & ~Q(path__startswith="//"),
                name="notice_path_is_ours",
            ),
        ]
        indexes = [models.Index(fields=["-posted_at", "-id"], name="notice_newest")]


class NoticeReading(models.Model):
    """Somebody has read a notice."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="readings")
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notice", "user"], name="notice_reading_once")
        ]


class NoticeMail(models.Model):
    """One e-mail to one person about one notice; the address is read when it is sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="mails")
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    status = models.CharField(max_length=10, default=MailStatus.WAITING.value)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=40, blank=True)  # a word of ours, never the server's

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notice", "user"], name="notice_mail_once"),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in MailStatus]),
                name="notice_mail_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(status__in=["waiting", "sending"]),
                name="notice_mail_open",
            )
        ]


class MailRefusal(models.Model):
    """Somebody wants no e-mail about one kind of notice."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mail_refusals")
    kind = models.CharField(max_length=30, choices=NoticeKind.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="mail_refusal_once")]


class Proposal(models.Model):
    """A change that one admin proposed, and that takes effect when another confirms it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=1200)  # as the log names what is changed
    content = models.BinaryField()  # exactly what is confirmed, canonical JSON
    content_sha256 = models.CharField(max_length=64)
    proposer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "accounts_proposal_record"
        indexes = [models.Index(fields=["-proposed_at"], name="proposal_newest")]


class ProposalAnswer(models.Model):
    """What ended a proposal; there is one at most, and a confirmed change is applied with it.

    `proposer` and `subject` repeat the proposal's, so that the database itself refuses an answer
    by the proposer or by the person whom the change is about; a composite foreign key (migration
    0004) keeps them true.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="answer")
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    subject = models.CharField(max_length=1200)
    verdict = models.CharField(max_length=10)
    reason_commitment = models.CharField(max_length=64, blank=True)
    answered_at = models.DateTimeField()
    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "accounts_proposal_answer_record"
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=[verdict.value for verdict in Verdict]),
                name="proposal_answer_verdict",
            ),
            models.CheckConstraint(
                condition=(Q(verdict=Verdict.TAKE_BACK.value) & Q(person=F("proposer")))
                | (~Q(verdict=Verdict.TAKE_BACK.value) & ~Q(person=F("proposer"))),
                name="proposal_by_two_people",
            ),
            models.CheckConstraint(
                condition=Q(verdict=Verdict.TAKE_BACK.value)
                | ~Q(subject=Concat(Value("person:"), Cast("person", TextField()))),
                name="proposal_not_by_whom_it_favours",
            ),
        ]
