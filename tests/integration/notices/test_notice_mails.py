"""E-mails about notices, handed in at a real server: once at most, to whom they concern."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.db.models import Count
from pytest_django.fixtures import Settings

from accounts.errors import AddressInvalid
from accounts.models import NoticeMail, User
from accounts.services.addresses import choose_mail
from accounts.services.notice_mails import LOST_AFTER, send_due_mails
from accounts.services.notices import settle_notice
from config.celery import app
from tests.integration.notices.conftest import NOW, People, Post
from tests.integration.notices.postbox import Postbox

ADMINS = ["ada@bank.example", "amos@bank.example"]


def send(at: datetime = NOW) -> None:
    send_due_mails(clock=lambda: at)


def statuses() -> dict[str, tuple[str, str]]:
    return {
        username: (status, failure)
        for username, status, failure in NoticeMail.objects.values_list(
            "user__username", "status", "failure"
        )
    }


def test_each_person_of_the_audience_is_sent_one_message_of_their_own(
    postbox: Postbox, people: People, post: Post
) -> None:
    post()
    send()
    send()
    post(text="Raised again.")
    send()
    assert sorted(postbox.recipients()) == ADMINS
    assert all(len(taken.recipients) == 1 for taken in postbox.taken)
    assert postbox.connections == 1
    message = postbox.taken[0].message
    assert message["To"] == postbox.taken[0].recipients[0]
    assert message["Subject"] == "[Muniment] The log has stopped."
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    assert "https://muniment.bank.example/log/health" in postbox.taken[0].body
    assert "sequencer" not in postbox.taken[0].body  # what is to be done is for the page
    assert len({taken.message["Message-ID"] for taken in postbox.taken}) == 2


def test_a_hostile_subject_is_one_line_of_text_without_a_link(postbox: Postbox, post: Post) -> None:
    post(subject="model x\r\nBcc: all@evil.example\r\n\r\n<b>https://evil.example/login</b>")
    send()
    taken = postbox.taken[0]
    assert taken.message["Bcc"] is None
    assert len(taken.recipients) == 1
    assert taken.message["Subject"] == (
        "[Muniment] model x Bcc: all@evil[.]example <b>https[:]//evil[.]example/login</b>"
    )
    links = [word for word in taken.body.split() if "://" in word]
    assert links
    assert all(link.startswith("https://muniment.bank.example/") for link in links)


def test_who_has_no_address_or_refused_or_left_is_sent_nothing(
    postbox: Postbox, people: People, post: Post
) -> None:
    choose_mail(person=people["ada"], email="", kinds=["log", "registry"])
    choose_mail(person=people["amos"], email="amos@bank.example", kinds=["registry"])
    User.objects.filter(username="audrey").update(is_active=False)
    post(audience=["admin", "auditor", "reviewer"])
    assert set(statuses()) == {"rita"}  # the others are not told that an e-mail waits
    send()
    assert postbox.recipients() == ["rita@bank.example"]
    post(kind="registry", dedup_key="test:2")
    send()
    assert postbox.recipients() == ["rita@bank.example", "amos@bank.example"]


def test_what_was_chosen_after_the_posting_counts(
    postbox: Postbox, people: People, post: Post
) -> None:
    post(audience=["admin", "auditor", "reviewer"])
    choose_mail(person=people["ada"], email="ada@new.example", kinds=["log"])
    choose_mail(person=people["amos"], email="amos@bank.example", kinds=[])
    User.objects.filter(username="audrey").update(roles=["engineer"])
    choose_mail(person=people["rita"], email="", kinds=["log"])
    send()
    assert postbox.recipients() == ["ada@new.example"]
    assert {name: failure for name, (_, failure) in statuses().items()} == {
        "ada": "",
        "amos": "refused",
        "audrey": "audience",
        "rita": "address",
    }


def test_what_is_over_before_it_was_sent_is_not_sent(postbox: Postbox, post: Post) -> None:
    post()
    settle_notice(dedup_key="test:1", now=NOW)
    send()
    assert not postbox.taken
    assert statuses()["ada"] == ("dropped", "settled")


def test_without_a_mail_server_nothing_waits_for_one(
    settings: Settings, people: People, post: Post
) -> None:
    settings.EMAIL_HOST = ""
    post()
    send()
    assert not NoticeMail.objects.exists()


def test_many_senders_at_once_send_each_once(postbox: Postbox, people: People, post: Post) -> None:
    for number in range(6):
        post(dedup_key=f"test:{number}")
    together = Barrier(3)

    def race(_: int) -> None:
        together.wait(10)
        try:
            send()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(race, range(3)))
    counted = NoticeMail.objects.values("status").annotate(count=Count("pk"))
    assert list(counted.values_list("status", "count")) == [("sent", 12)]
    assert len({taken.message["Message-ID"] for taken in postbox.taken}) == 12
    assert len(postbox.taken) == 12


def test_a_connection_that_breaks_at_the_end_of_a_message_is_not_used_twice(
    postbox: Postbox, post: Post
) -> None:
    post()
    postbox.answers["end"] = ""
    send()
    assert statuses() == {
        "ada": ("uncertain", "connection_lost"),
        "amos": ("uncertain", "connection_lost"),
    }
    del postbox.answers["end"]
    send(NOW + timedelta(hours=2))
    assert not postbox.taken


def test_a_server_that_is_away_or_busy_is_tried_again_until_that_is_of_no_use(
    postbox: Postbox, settings: Settings, people: People, post: Post
) -> None:
    choose_mail(person=people["amos"], email="", kinds=[])
    post()
    settings.EMAIL_PORT = 1  # nobody listens
    send()
    assert statuses()["ada"] == ("waiting", "unreachable")
    send()  # not due yet
    assert NoticeMail.objects.get().attempts == 1
    settings.EMAIL_PORT = postbox.port
    for command, said in (("RCPT", "451 later"), ("MAIL", "530 sign in"), ("end", "452 full")):
        postbox.answers = {command: said}
        send(NoticeMail.objects.get().next_try_at)
        assert statuses()["ada"] == ("waiting", f"smtp_{said[:3]}")
    postbox.answers = {}
    send(NoticeMail.objects.get().next_try_at)
    assert statuses()["ada"] == ("sent", "")
    post(dedup_key="test:2")
    postbox.answers = {"RCPT": "451 later"}
    send(NOW + timedelta(hours=23, minutes=59, seconds=30))
    assert NoticeMail.objects.get(notice__dedup_key="test:2").status == "failed"


def test_an_address_that_the_server_refuses_keeps_nobody_else_waiting(
    postbox: Postbox, post: Post
) -> None:
    post()
    postbox.answers["RCPT"] = "550 <ada@bank.example> nobody of this name"
    postbox.before_answer = None
    send()
    assert set(statuses().values()) == {("failed", "smtp_550")}
    post(dedup_key="test:2")
    del postbox.answers["RCPT"]
    send()
    assert sorted(postbox.recipients()) == ADMINS
    assert not NoticeMail.objects.filter(failure__contains="@").exists()


def test_what_was_claimed_is_given_up_only_when_nobody_can_be_at_work_on_it(
    postbox: Postbox, people: People, post: Post
) -> None:
    post()
    NoticeMail.objects.update(status="sending", claimed_at=NOW)
    send(NOW + LOST_AFTER)
    assert statuses()["ada"][0] == "sending"
    send(NOW + LOST_AFTER + timedelta(seconds=1))
    assert statuses()["ada"] == ("uncertain", "worker_lost")
    assert not postbox.taken


def test_who_was_given_up_as_lost_brings_nothing_back(postbox: Postbox, post: Post) -> None:
    post()
    postbox.answers["end"] = "452 full"

    def take_so_long_that_others_give_up() -> None:
        postbox.before_answer = None
        try:
            send(NOW + LOST_AFTER + timedelta(seconds=1))
        finally:
            connection.close()

    NoticeMail.objects.filter(user__username="amos").delete()
    postbox.before_answer = take_so_long_that_others_give_up
    send()
    assert statuses() == {"ada": ("uncertain", "worker_lost")}


def test_nobody_is_given_up_as_lost_while_their_task_may_still_run() -> None:
    assert timedelta(seconds=app.conf.task_time_limit) < LOST_AFTER


def test_an_address_is_checked_before_it_is_kept(people: People) -> None:
    for address in (
        "ada",
        "ada@bank.example\r\nBcc: all@evil.example",
        "a@bank.example, b@evil.example",
        f"{'a' * 60}@{'b.' * 120}example",
    ):
        with pytest.raises(AddressInvalid):
            choose_mail(person=people["ada"], email=address, kinds=["log"])
    with pytest.raises(AddressInvalid):
        choose_mail(person=people["ada"], email="a@bank.example", kinds=["unheard-of"])
    assert User.objects.get(username="ada").email == "ada@bank.example"
