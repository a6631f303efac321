"""The page with what the signed-in person is told, and what they choose about it."""

from __future__ import annotations

from datetime import datetime
from typing import cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import AddressInvalid
from accounts.models import Notice, NoticeKind, NoticeMail, User
from accounts.selectors import notices_of, unread_notices
from accounts.services.addresses import choose_mail
from accounts.services.notices import mark_all_read, mark_read

PAGE_SIZE = 25
_MAIL_WORDS = {
    "waiting": "An e-mail to you waits.",
    "sending": "An e-mail to you is under way.",
    "sent": "You were sent an e-mail.",
    "failed": "An e-mail to you could not be delivered.",
    "uncertain": "An e-mail to you may have been sent: the connection broke before that was sure.",
}


@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """List what the person is told, the newest first."""
    return _page(request)


@require_POST
def read(request: HttpRequest, notice_id: UUID) -> HttpResponse:
    """Mark one notice as read."""
    try:
        mark_read(reader=_person(request), notice_id=notice_id, now=timezone.now())
    except Notice.DoesNotExist as error:
        raise Http404("There is no such notice for you.") from error
    return redirect("accounts:notices")


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark as read everything up to the newest notice that the page showed."""
    mark_all_read(reader=_person(request), until=_until(request), now=timezone.now())
    return redirect("accounts:notices")


@require_POST
def mail(request: HttpRequest) -> HttpResponse:
    """Take the person's address, and the kinds of notice that they want by e-mail."""
    email, kinds = request.POST.get("email", ""), request.POST.getlist("kind")
    try:
        choose_mail(person=_person(request), email=email, kinds=kinds)
    except AddressInvalid as error:
        entered: dict[str, object] = {"email": email, "kinds": kinds, "problem": str(error)}
        return _page(request, entered, status=error.status)
    messages.success(request, "What you get by e-mail is saved.")
    return redirect("accounts:notices")


def _page(
    request: HttpRequest, entered: dict[str, object] | None = None, *, status: int = 200
) -> HttpResponse:
    person = _person(request)
    is_unread_only = request.GET.get("show") == "unread"
    listed = unread_notices(person) if is_unread_only else notices_of(person)
    page = Paginator(listed, PAGE_SIZE).get_page(request.GET.get("page"))
    _describe(page, person)
    refused = set(person.mail_refusals.values_list("kind", flat=True))
    chosen = entered or {"email": person.email, "kinds": set(NoticeKind.values) - refused}
    context = {
        "page_obj": page,
        "is_unread_only": is_unread_only,
        "until": page.object_list[0].posted_at.isoformat() if page.object_list else "",
        "is_mail_configured": bool(settings.EMAIL_HOST),
        "kinds": NoticeKind.choices,
        "chosen": chosen,
    }
    return render(request, "accounts/notices.html", context, status=status)


def _describe(page: Page[Notice], person: User) -> None:
    """Say of each listed notice whether the person read it, and what became of their e-mail."""
    listed = list(page.object_list)
    unread = set(
        unread_notices(person).filter(pk__in=[n.pk for n in listed]).values_list("pk", flat=True)
    )
    mails = NoticeMail.objects.filter(notice__in=listed, user=person)
    status_of = dict(mails.values_list("notice_id", "status"))
    for notice in listed:
        notice.is_unread = notice.pk in unread  # type: ignore[attr-defined] # for the template
        words = _MAIL_WORDS.get(status_of.get(notice.pk, ""), "")
        notice.mail_words = words  # type: ignore[attr-defined]
    page.object_list = listed


def _until(request: HttpRequest) -> datetime:
    try:
        until = parse_datetime(request.POST.get("until", ""))
    except ValueError:
        until = None
    if until is None or timezone.is_naive(until):
        raise Http404("This form does not say which notices it showed. Reload the page.")
    return until


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)
