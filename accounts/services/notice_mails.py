"""Sending what waits: each e-mail once at most, whatever dies in between.

A row is claimed and committed before the server is spoken to. If this worker dies after that,
nobody knows whether the server took the e-mail, so it is never sent again: the notice itself is in
the product. Only what was certainly not sent is tried again.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formatdate
from typing import Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.db import transaction
from django.db.models import F, Func, Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.domain.mail import MOVES, MailStatus, next_try, without_links
from accounts.models import NoticeMail

# Longer than a task may run (config.celery): who claimed it is not at work any more.
LOST_AFTER: Final = timedelta(minutes=15)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one try.

    Attributes:
        status: the next status; `waiting` is one that is tried again, as long as that is of use.
        failure: a word of ours, or `smtp_` and the server's code.
    """

    status: MailStatus
    failure: str = ""


def send_due_mails(*, clock: Callable[[], datetime]) -> None:
    """Send every e-mail that is due, one message to one person at a time.

    Without a mail server, or with one that cannot be reached, nothing is claimed.
    """
    if not settings.EMAIL_HOST:
        return
    _give_up_lost(clock())
    _drop_pointless()
    # Asked for by name: what is configured as the default may be one that sends nothing.
    connection = EmailBackend()
    try:
        while _due(clock()).exists():
            try:
                connection.open()
            except OSError as error:
                _postpone(_open_failure(error), clock())
                return
            mail = _claim(clock())
            if mail is None:
                return
            outcome = _send(connection, mail, clock())
            _record(mail, outcome, clock())
            if outcome.status is not MailStatus.SENT:
                _close(connection)
    finally:
        _close(connection)


def _due(now: datetime) -> QuerySet[NoticeMail]:
    return NoticeMail.objects.filter(status=MailStatus.WAITING, next_try_at__lte=now)


@transaction.atomic(durable=True)
def _claim(now: datetime) -> NoticeMail | None:
    mail = (
        _due(now)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("notice", "user")
        .order_by("next_try_at", "id")
        .first()
    )
    if mail is not None:
        mail.attempts += 1
        mail.claimed_at = now
        _move(mail, MailStatus.SENDING)
    return mail


def _send(connection: EmailBackend, mail: NoticeMail, now: datetime) -> _Outcome:
    try:
        connection.send_messages([_message(mail, now)])
    except smtplib.SMTPRecipientsRefused as error:
        return _answered(*(code for code, _ in error.recipients.values()))
    except smtplib.SMTPSenderRefused as error:
        # Not about this person: an admin can put it right.
        return _Outcome(MailStatus.WAITING, f"smtp_{error.smtp_code}")
    except smtplib.SMTPResponseException as error:
        return _answered(error.smtp_code)
    except smtplib.SMTPNotSupportedError:
        return _Outcome(MailStatus.FAILED, "address")
    except OSError as error:
        # The connection broke somewhere between the first word and the server's "taken".
        logger.warning("notice_mail.uncertain", mail=str(mail.pk), error=type(error).__name__)
        return _Outcome(MailStatus.UNCERTAIN, "connection_lost")
    return _Outcome(MailStatus.SENT)


def _answered(code: int) -> _Outcome:
    is_final = code >= 500
    return _Outcome(MailStatus.FAILED if is_final else MailStatus.WAITING, f"smtp_{code}")


def _message(mail: NoticeMail, now: datetime) -> EmailMultiAlternatives:
    notice = mail.notice
    subject = without_links(notice.subject)
    page = settings.MUNIMENT_URL + reverse("accounts:notices")
    body = (
        f"{subject}\n\n"
        f"Since {notice.posted_at:%Y-%m-%d %H:%M} UTC.\n"
        f"Why, and what to do next: {settings.MUNIMENT_URL}{notice.path}\n\n"
        f"You are told because it concerns you in Muniment. Every notice to you, and which of\n"
        f"them you get by e-mail: {page}\n"
    )
    message = EmailMultiAlternatives(
        subject=f"[Muniment] {subject}",
        body=body,
        to=[mail.user.email],
        headers={
            "Message-ID": f"<{mail.pk}@{urlsplit(settings.MUNIMENT_URL).hostname}>",
            "Date": formatdate(now.timestamp()),
            "Auto-Submitted": "auto-generated",  # RFC 3834: no answer by machine, please
        },
    )
    values = {
        "subject": subject,
        "posted_at": notice.posted_at,
        "address": f"{settings.MUNIMENT_URL}{notice.path}",
        "notices": page,
    }
    message.attach_alternative(render_to_string("accounts/notice_mail.html", values), "text/html")
    return message


@transaction.atomic(durable=True)
def _record(mail: NoticeMail, outcome: _Outcome, now: datetime) -> None:
    status = outcome.status
    if status is MailStatus.WAITING:
        at = next_try(attempts=mail.attempts, posted_at=mail.notice.posted_at, now=now)
        if at is None:
            status = MailStatus.FAILED
        else:
            mail.next_try_at = at
    mail.failure = outcome.failure
    _move(mail, status)


def _move(mail: NoticeMail, status: MailStatus) -> None:
    before = MailStatus(mail.status)
    if status not in MOVES[before]:
        raise ValueError(f"an e-mail that is {before} cannot become {status}")
    # Only from where it was: whoever was given up as lost changes nothing when it comes back.
    NoticeMail.objects.filter(pk=mail.pk, status=before).update(
        status=status,
        attempts=mail.attempts,
        claimed_at=mail.claimed_at,
        next_try_at=mail.next_try_at,
        failure=mail.failure,
    )
    mail.status = status


def _give_up_lost(now: datetime) -> None:
    lost = NoticeMail.objects.filter(
        status=MailStatus.SENDING, claimed_at__lt=now - LOST_AFTER
    ).update(status=MailStatus.UNCERTAIN, failure="worker_lost")
    if lost:
        logger.warning("notice_mail.uncertain", count=lost, error="worker_lost")


def _drop_pointless() -> None:
    """Drop what nobody is to be sent any more: the reason is over, or the person is out of it."""
    waiting = NoticeMail.objects.filter(status=MailStatus.WAITING)
    for pointless, why in (
        (waiting.filter(notice__settled_at__isnull=False), "settled"),
        (waiting.filter(user__email=""), "address"),
        (waiting.filter(user__mail_refusals__kind=F("notice__kind")), "refused"),
        (waiting.filter(user__is_active=False), "audience"),
        (
            waiting.exclude(
                Q(user__roles__overlap=F("notice__audience"))
                | Q(notice__people__contains=Func(F("user_id"), template="ARRAY[%(expressions)s]"))
            ),
            "audience",
        ),
    ):
        rows = NoticeMail.objects.filter(pk__in=pointless.values("pk"), status=MailStatus.WAITING)
        rows.update(status=MailStatus.DROPPED, failure=why)


@transaction.atomic(durable=True)
def _postpone(failure: str, now: datetime) -> None:
    """Wait with everything that is due: the server cannot be spoken to at all."""
    logger.error("notice_mail.server_failed", reason=failure)
    due = _due(now).select_for_update(skip_locked=True, of=("self",)).select_related("notice")
    for mail in due:
        mail.attempts += 1
        at = next_try(attempts=mail.attempts, posted_at=mail.notice.posted_at, now=now)
        status = MailStatus.WAITING if at else MailStatus.FAILED
        NoticeMail.objects.filter(pk=mail.pk).update(
            attempts=mail.attempts,
            next_try_at=at or mail.next_try_at,
            status=status,
            failure=failure,
        )


def _open_failure(error: OSError) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():
            return "sign_in_refused"
        case smtplib.SMTPNotSupportedError():
            return "no_encryption"
        case ssl.SSLError():
            return "certificate"
    return "unreachable"


def _close(connection: EmailBackend) -> None:
    with contextlib.suppress(OSError):
        connection.close()
