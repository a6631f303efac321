"""Notices: what people are told in the product, and by e-mail where they have an address."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.domain.mail import MAX_SUBJECT, one_line
from accounts.errors import NoticeInvalid
from accounts.models import Notice, NoticeKind, NoticeMail, NoticeReading, Role, User
from accounts.selectors import notices_of, unread_notices


@transaction.atomic
def post_notice(
    *,
    kind: str,
    subject: str,
    text: str,
    path: str,
    audience: Collection[str] = (),
    people: Collection[UUID] = (),
    dedup_key: str,
    now: datetime,
) -> Notice:
    """Tell everybody who holds one of the roles in `audience` or is in `people`; return the notice.

    What is posted again under the same key is the same notice: an open one takes the new text, a
    settled one stays as it is, and nobody is sent a second e-mail. An e-mail waits, from this
    transaction on, for each active person of the audience who has an address and did not refuse
    this kind.

    Args:
        subject: what happened; made one line, since it becomes the subject of an e-mail.
        text: why, and what to do next; shown in the product alone.
        path: where one goes on, in Muniment: ``/log/health``.
        dedup_key: names one happening for all time, at most 200 characters.

    Raises:
        NoticeInvalid: the kind or a role is unknown, nobody is addressed, nothing is said, or
            `path` leads out of Muniment.
    """
    line = one_line(subject, longest=MAX_SUBJECT)
    _require_valid(kind, line, path, audience, people)
    notice, is_new = Notice.objects.get_or_create(
        dedup_key=dedup_key,
        defaults={
            "kind": kind,
            "subject": line,
            "text": text,
            "path": path,
            "audience": sorted(set(audience)),
            "people": sorted(set(people)),
            "posted_at": now,
        },
    )
    if is_new:
        _queue_mails(notice, now)
    elif notice.settled_at is None and notice.text != text:
        Notice.objects.filter(pk=notice.pk, settled_at__isnull=True).update(text=text)
        notice.text = text
    return notice


def settle_notice(*, dedup_key: str, now: datetime) -> None:
    """Say that what a notice was about is over; a settled or unknown one is left alone."""
    Notice.objects.filter(dedup_key=dedup_key, settled_at__isnull=True).update(settled_at=now)


def settle_notices(*, about: str, now: datetime) -> None:
    """Say so of every open notice whose key begins with `about`."""
    Notice.objects.filter(dedup_key__startswith=about, settled_at__isnull=True).update(
        settled_at=now
    )


def mark_read(*, reader: User, notice_id: UUID, now: datetime) -> None:
    """Mark one of the reader's notices as read; twice is once.

    Raises:
        Notice.DoesNotExist: there is none, or it is not for this person.
    """
    notice = notices_of(reader).get(pk=notice_id)
    _mark_read(reader, [notice], now)


def mark_all_read(*, reader: User, until: datetime, now: datetime) -> None:
    """Mark as read what the reader was told up to `until`: what came since stays unread."""
    _mark_read(reader, unread_notices(reader).filter(posted_at__lte=until), now)


def _mark_read(reader: User, notices: Collection[Notice], now: datetime) -> None:
    NoticeReading.objects.bulk_create(
        [NoticeReading(notice=notice, user=reader, read_at=now) for notice in notices],
        ignore_conflicts=True,
    )


def _require_valid(
    kind: str, line: str, path: str, audience: Collection[str], people: Collection[UUID]
) -> None:
    if kind not in NoticeKind.values:
        raise NoticeInvalid(f"There is no kind of notice called {kind!r}.")
    if not line:
        raise NoticeInvalid("A notice without a subject tells nobody anything.")
    if not (audience or people) or not set(audience) <= set(Role.values):
        raise NoticeInvalid("A notice goes to people of at least one role, and of known roles.")
    # A browser takes a backslash for a slash, and drops tabs and line breaks from an address.
    if not path.startswith("/") or path.startswith("//") or not _is_plain(path):
        raise NoticeInvalid("A notice leads to a page of Muniment: its path begins with one slash.")


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and not {" ", "\\"} & set(path)


def _queue_mails(notice: Notice, now: datetime) -> None:
    # Without a mail server nothing waits, lest old news go out on the day that one is set.
    if not settings.EMAIL_HOST:
        return
    people = (
        User.objects.filter(
            Q(roles__overlap=notice.audience) | Q(pk__in=notice.people), is_active=True
        )
        .exclude(email="")
        .exclude(mail_refusals__kind=notice.kind)
    )
    NoticeMail.objects.bulk_create(
        NoticeMail(notice=notice, user=person, next_try_at=now) for person in people
    )
