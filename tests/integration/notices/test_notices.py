"""Notices: who is told what, once, and what they have read of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import resolve

from accounts.errors import NoticeInvalid
from accounts.models import Notice, NoticeReading
from accounts.selectors import MOST_COUNTED, notices_of, unread_count, unread_notices
from accounts.services.alarm_notices import LOOK_BACK, follow_alarms
from accounts.services.notices import mark_all_read, mark_read, settle_notice
from audits.models import Alarm
from audits.services import alarms
from audits.services.alarms import (
    LOG_BEHIND,
    REGISTRY_UNREACHABLE,
    REGISTRY_VIOLATIONS,
    clear_alarm,
    raise_alarm,
)
from tests.integration.notices.conftest import NOW, People, Post

LATER = NOW + timedelta(minutes=5)


def test_only_people_of_the_audience_are_told(people: People, post: Post) -> None:
    post(audience=["admin", "auditor"])
    told = {name for name, person in people.items() if unread_count(person)}
    assert told == {"ada", "amos", "audrey"}


def test_what_one_person_reads_stays_unread_for_the_others(people: People, post: Post) -> None:
    notice = post()
    mark_read(reader=people["ada"], notice_id=notice.pk, now=NOW)
    mark_read(reader=people["ada"], notice_id=notice.pk, now=LATER)
    assert NoticeReading.objects.get().read_at == NOW
    assert (unread_count(people["ada"]), unread_count(people["amos"])) == (0, 1)


def test_nobody_reads_what_is_not_for_them(people: People, post: Post) -> None:
    notice = post()
    for name in ("rita", "nobody"):
        with pytest.raises(Notice.DoesNotExist):
            mark_read(reader=people[name], notice_id=notice.pk, now=NOW)
        mark_all_read(reader=people[name], until=LATER, now=NOW)
    assert not NoticeReading.objects.exists()


def test_reading_all_leaves_what_came_since(people: People, post: Post) -> None:
    first = post()
    second = post(dedup_key="test:2", now=LATER)
    mark_all_read(reader=people["ada"], until=first.posted_at, now=LATER)
    assert list(unread_notices(people["ada"])) == [second]


def test_whoever_joined_since_is_not_told_old_news(people: People, post: Post) -> None:
    post()
    people["ada"].joined_at = LATER
    assert not notices_of(people["ada"]).exists()


def test_the_same_happening_posted_again_is_one_notice(people: People, post: Post) -> None:
    first = post()
    again = post(text="It goes on.", now=LATER)
    assert again == first
    assert Notice.objects.values_list("text", "posted_at").get() == ("It goes on.", NOW)
    settle_notice(dedup_key="test:1", now=LATER)
    settle_notice(dedup_key="test:1", now=LATER + timedelta(days=1))
    post(text="Too late.")
    assert Notice.objects.values_list("text", "settled_at").get() == ("It goes on.", LATER)


def test_the_same_happening_posted_at_once_is_one_notice(people: People, post: Post) -> None:
    together = Barrier(4)

    def race(_: int) -> None:
        together.wait(10)
        try:
            post()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(race, range(4)))
    assert Notice.objects.count() == 1


def test_a_notice_that_cannot_be_right_is_refused(post: Post) -> None:
    leads_out = (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "javascript:alert(1)",
        "log/health",
        "",
    )
    for changed in (
        {"kind": "unheard-of"},
        {"subject": " \r\n\u202e "},
        {"audience": []},
        {"audience": ["admin", "stranger"]},
        *({"path": path} for path in leads_out),
    ):
        with pytest.raises(NoticeInvalid):
            post(**changed)
    assert not Notice.objects.exists()


def test_the_database_itself_refuses_a_link_that_leads_out(post: Post) -> None:
    notice = post()
    for path in ("https://evil.example/", "//evil.example/"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Notice.objects.filter(pk=notice.pk).update(path=path)


def test_many_unread_notices_are_counted_up_to_a_bound(people: People, post: Post) -> None:
    for number in range(MOST_COUNTED + 5):
        post(dedup_key=f"test:{number}")
    assert unread_count(people["ada"]) == MOST_COUNTED


def test_an_alarm_is_one_notice_for_as_long_as_it_is_open(people: People) -> None:
    raise_alarm(LOG_BEHIND, "Once.", now=NOW)
    follow_alarms(now=NOW)
    raise_alarm(LOG_BEHIND, "Twice.", now=LATER)
    follow_alarms(now=LATER)
    follow_alarms(now=LATER)
    notice = Notice.objects.get()
    assert (notice.text, notice.settled_at, notice.audience) == (
        "Twice.",
        None,
        ["admin", "auditor"],
    )
    clear_alarm(LOG_BEHIND, now=LATER)
    follow_alarms(now=LATER)
    notice.refresh_from_db()
    assert notice.settled_at == LATER
    assert unread_count(people["ada"]) == 1  # over, and still to be known
    raise_alarm(LOG_BEHIND, "Again.", now=LATER)
    follow_alarms(now=LATER)
    assert Notice.objects.count() == 2


def test_an_alarm_that_came_and_went_between_two_looks_is_told(people: People) -> None:
    raise_alarm(REGISTRY_UNREACHABLE, "Away.", now=NOW)
    clear_alarm(REGISTRY_UNREACHABLE, now=LATER)
    raise_alarm(REGISTRY_UNREACHABLE, "Away again.", now=LATER)
    follow_alarms(now=LATER)
    told = Notice.objects.order_by("settled_at").values_list("text", "settled_at")
    assert list(told) == [("Away.", LATER), ("Away again.", None)]


def test_what_was_over_long_before_anybody_looked_is_not_told(people: People) -> None:
    raise_alarm(LOG_BEHIND, "Long ago.", now=NOW - LOOK_BACK - timedelta(days=2))
    clear_alarm(LOG_BEHIND, now=NOW - LOOK_BACK - timedelta(days=1))
    raise_alarm(REGISTRY_UNREACHABLE, "For long.", now=NOW - LOOK_BACK - timedelta(days=2))
    follow_alarms(now=NOW)
    assert Notice.objects.get().text == "For long."


def test_an_alarm_of_a_family_that_is_new_reaches_the_admins(people: People) -> None:
    raise_alarm("elsewhere.broken", "Something.", now=NOW)
    follow_alarms(now=NOW)
    assert [name for name, person in people.items() if unread_count(person)] == ["ada", "amos"]


def test_every_alarm_of_ours_becomes_a_notice_that_leads_to_a_page(people: People) -> None:
    codes = [value for name, value in vars(alarms).items() if name.isupper()]
    for code in codes:
        raise_alarm(code, f"About {code}.", now=NOW)
    follow_alarms(now=NOW)
    told = list(Notice.objects.all())
    assert len(told) == len(codes) == unread_count(people["ada"])
    for notice in told:
        resolve(notice.path)


def test_names_from_outside_stay_out_of_the_subject(people: People) -> None:
    hostile = "credit\r\nBcc: everybody@evil.example"
    raise_alarm(REGISTRY_VIOLATIONS, f"champion of {hostile} moved", now=NOW)
    follow_alarms(now=NOW)
    assert Notice.objects.get().subject == "MLflow was changed without a grant."


def test_following_the_alarms_twice_at_once_tells_each_once(people: People) -> None:
    raise_alarm(LOG_BEHIND, "Once.", now=NOW)
    raise_alarm(REGISTRY_UNREACHABLE, "Away.", now=NOW)
    together = Barrier(2)

    def race(_: int) -> None:
        together.wait(10)
        try:
            follow_alarms(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(race, range(2)))
    assert Notice.objects.count() == Alarm.objects.count() == 2
