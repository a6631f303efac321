"""docs/notices.md says what notices do, and its commands work."""

from __future__ import annotations

import io
import re
import shlex
from datetime import timedelta

from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.domain.alarms import alarm_topic
from accounts.domain.mail import FIRST_WAIT, GIVE_UP_AFTER, LONGEST_WAIT
from accounts.models import MailRefusal, NoticeKind, NoticeMail, NoticeReading, User
from accounts.services.addresses import choose_mail
from accounts.services.notices import mark_read, post_notice
from audits.services import alarms
from audits.services.keys import enroll_keys
from config.celery import app
from tests.integration.notices.postbox import open_postbox
from tests.unit.docs.pages import DOCS, code, fenced, read, section, table_rows

PAGE = read(DOCS / "notices.md")


def command(name: str) -> list[str]:
    """Return the words of the one command on the page that `manage.py` is given so."""
    lines = [line.strip() for block in code(PAGE) for line in block.body.splitlines()]
    [found] = [line for line in lines if f"manage.py {name} " in line]
    return shlex.split(found.partition("manage.py ")[2])


def test_the_kinds_and_who_is_told_are_the_real_ones() -> None:
    rows = {row[0]: row[2] for row in table_rows(section(PAGE, "## Who is told what"))}
    told = {}
    for name, value in vars(alarms).items():
        if name.isupper():
            topic = alarm_topic(value)
            told[str(NoticeKind(topic.kind).label)] = set(topic.audience)
    assert told == {
        words: set(re.findall(r"`(\w+)`", roles)) for words, roles in rows.items() if words in told
    }
    # Those about reviews go to people, whatever their roles.
    assert set(told) | {str(NoticeKind.REVIEW.label)} == set(map(str, NoticeKind.labels))
    assert str(NoticeKind.REVIEW.label) in rows


def test_the_times_on_the_page_are_the_real_ones() -> None:
    every = app.conf.beat_schedule["post notices of alarms"]["schedule"]
    assert (every, "about ten seconds" in PAGE) == (10.0, True)
    assert (timedelta(minutes=1), timedelta(hours=1)) == (FIRST_WAIT, LONGEST_WAIT)
    assert timedelta(days=1) == GIVE_UP_AFTER
    assert "after a minute, then less and less often up to once an hour; given up a day" in PAGE


def test_the_commands_add_an_address_and_try_the_server(
    committed_database: str, quick_passwords: None, settings: Settings
) -> None:
    enroll_keys(now=timezone.now())
    call_command(*command("add_person"), "--random-password", stdout=io.StringIO())
    assert User.objects.get(username="ada").email == "ada@bank.example"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # as it is in service
    with open_postbox() as box:
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", box.port, 0
        call_command(*command("sendtestemail"))
    assert box.recipients() == ["you@bank.example"]
    assert box.taken[0].message["From"] == settings.DEFAULT_FROM_EMAIL


def test_erasing_a_person_erases_their_address_and_what_they_read(
    committed_database: str, settings: Settings
) -> None:
    settings.EMAIL_HOST = "mail.bank.example"
    now = timezone.now()
    person = User.objects.create(
        username="ada", printed_name="Ada Adler", roles=["admin"], joined_at=now
    )
    choose_mail(person=person, email="ada@bank.example", kinds=["log"])
    notice = post_notice(
        kind="log",
        subject="Something happened.",
        text="",
        path="/log/health",
        audience=["admin"],
        dedup_key="test:1",
        now=now,
    )
    mark_read(reader=person, notice_id=notice.pk, now=now)
    theirs = (NoticeReading, NoticeMail, MailRefusal)
    assert all(rows.objects.filter(user=person).exists() for rows in theirs)
    [statements] = fenced(read(DOCS / "log.md"), "sql")
    with connection.cursor() as cursor:  # the runtime role's
        cursor.execute(statements.replace(":'person'", f"'{person.pk}'"))
    assert not any(rows.objects.filter(user=person).exists() for rows in theirs)
    assert User.objects.get().email == ""
