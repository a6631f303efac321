"""What a person is told, and how much of it is unread."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Notice, NoticeReading, User

# More than so many are shown as "99+".
MOST_COUNTED = 100


def notices_of(person: User) -> QuerySet[Notice]:
    """Return what this person is told, the newest first: nothing of before they joined."""
    return Notice.objects.filter(
        audience__overlap=person.roles, posted_at__gte=person.joined_at
    ).order_by("-posted_at", "-id")


def unread_notices(person: User) -> QuerySet[Notice]:
    """Return those of a person's notices that they have not read."""
    read = NoticeReading.objects.filter(notice=OuterRef("pk"), user=person)
    return notices_of(person).filter(~Exists(read))


def unread_count(person: User) -> int:
    """Count a person's unread notices, up to `MOST_COUNTED`."""
    return unread_notices(person)[:MOST_COUNTED].count()
