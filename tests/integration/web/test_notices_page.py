"""The bell and the page of notices, as each person sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Notice, User
from accounts.selectors import MOST_COUNTED, unread_count
from accounts.services.notices import post_notice, settle_notice
from accounts.web.notices import PAGE_SIZE
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.test_escaping import ATTACK
from tests.integration.web.world import World

Enter = Callable[[str], Client]


def tell(world: World, number: int = 1, **changed: Any) -> Notice:
    values: dict[str, Any] = {
        "kind": "log",
        "subject": f"Happening {number}.",
        "text": "What is to be done.",
        "path": "/log/health",
        "audience": ["admin"],
        "dedup_key": f"test:{number}",
        "now": world.tick(),
    }
    return post_notice(**(values | changed))


def test_the_bell_counts_for_each_person_what_they_have_not_read(
    world: World, enter: Enter
) -> None:
    notice = tell(world)
    for page in ("/", "/log/", "/notices/"):
        assert "Notices 1 unread" in text_of(enter("admin").get(page))
        assert "unread" not in text_of(enter("reviewer").get(page)).replace("Unread", "")
    admin = enter("admin")
    answer = send(admin, "/notices/", f"/notices/{notice.pk}/read")
    assert answer["Location"] == "/notices/"
    assert "Notices 1 unread" not in text_of(admin.get("/"))
    assert "Happening 1." in text_of(admin.get("/notices/"))


def test_a_notice_for_others_is_neither_shown_nor_marked(world: World, enter: Enter) -> None:
    notice = tell(world, subject="Only for admins.")
    auditor = enter("auditor")
    for page in ("/notices/", "/notices/?show=unread", "/notices/?page=2"):
        assert "Only for admins." not in text_of(auditor.get(page))
    assert post(auditor, f"/notices/{notice.pk}/read").status_code == 404
    later = world.tick().isoformat()
    assert post(auditor, "/notices/read", until=later).status_code == 302
    assert unread_count(world.people["admin"]) == 1


def test_reading_changes_nothing_without_a_form(world: World, enter: Enter) -> None:
    notice = tell(world)
    admin = enter("admin")
    assert admin.get(f"/notices/{notice.pk}/read").status_code == 405
    assert admin.get("/notices/read").status_code == 405
    assert admin.post(f"/notices/{notice.pk}/read").status_code == 403  # no CSRF token
    admin.get("/notices/")
    assert unread_count(world.people["admin"]) == 1


def test_marking_all_leaves_what_the_page_did_not_show(world: World, enter: Enter) -> None:
    tell(world, 1)
    admin = enter("admin")
    fields = forms_of(admin.get("/notices/"))["/notices/read"]
    tell(world, 2)
    assert admin.post("/notices/read", fields).status_code == 302
    unread = text_of(admin.get("/notices/?show=unread"))
    assert "Happening 2." in unread
    assert "Happening 1." not in unread
    for until in ("", "tomorrow", "2026-13-45T99:00:00+00:00", "2026-11-25T00:00:00"):
        assert post(admin, "/notices/read", until=until).status_code == 404


def test_pages_filters_and_empty_states_say_what_there_is(world: World, enter: Enter) -> None:
    admin = enter("admin")
    assert "No notices yet" in text_of(admin.get("/notices/"))
    for number in range(PAGE_SIZE + 1):
        tell(world, number)
    settle_notice(dedup_key="test:25", now=world.tick())
    first, second = (text_of(admin.get(f"/notices/?page={page}")) for page in (1, 2))
    assert "Happening 25." in first
    assert "Over" in first
    assert "Happening 0." not in first
    assert "Happening 0." in second
    assert "Page 2 of 2" in second
    send(admin, "/notices/", "/notices/read")
    assert "You have read everything" in text_of(admin.get("/notices/?show=unread"))
    User.objects.filter(username="admin").update(roles=[])
    assert "No notices go to you" in text_of(admin.get("/notices/"))


def test_very_many_are_only_said_to_be_many(world: World, enter: Enter) -> None:
    for number in range(MOST_COUNTED):
        tell(world, number)
    assert "Notices 99+ unread" in text_of(enter("admin").get("/"))


def test_hostile_words_are_only_text(world: World, enter: Enter) -> None:
    tell(world, subject=ATTACK, text=ATTACK + "\nhttps://evil.example/")
    answer = enter("admin").get("/notices/")
    markup = answer.content.decode()
    assert "<script>alert" not in markup
    assert "<img" not in markup
    assert 'href="https://evil' not in markup
    assert ATTACK in text_of(answer)


def test_a_person_chooses_their_own_address_and_kinds(
    world: World, enter: Enter, settings: Settings
) -> None:
    settings.EMAIL_HOST = ""
    admin = enter("admin")
    assert "No mail server is configured" in text_of(admin.get("/notices/"))
    settings.EMAIL_HOST = "mail.bank.example"
    assert "No mail server is configured" not in text_of(admin.get("/notices/"))
    answer = post(admin, "/notices/e-mail", email="ada@bank.example", kind="registry")
    assert answer["Location"] == "/notices/"
    markup = admin.get("/notices/").content.decode()
    assert 'value="ada@bank.example"' in markup
    person = User.objects.get(username="admin")
    assert set(person.mail_refusals.values_list("kind", flat=True)) == {"log", "review"}
    assert list(User.objects.exclude(email="")) == [person]
    for page in ("/notices/", "/promotions/", "/"):
        assert "ada@bank.example" not in enter("auditor").get(page).content.decode()


def test_a_wrong_address_is_said_beside_its_field_and_kept_there(
    world: World, enter: Enter
) -> None:
    admin = enter("admin")
    answer = post(admin, "/notices/e-mail", email='ada"><b>', kind="log")
    assert answer.status_code == 400
    assert "This is not an e-mail address" in text_of(answer)
    assert 'value="ada&quot;&gt;&lt;b&gt;"' in answer.content.decode()
    answer = post(admin, "/notices/e-mail", email="ada@bank.example", kind="unheard-of")
    assert answer.status_code == 400
    assert not User.objects.exclude(email="").exists()


def test_a_notice_says_what_became_of_its_email(
    world: World, enter: Enter, settings: Settings
) -> None:
    settings.EMAIL_HOST = "mail.bank.example"
    User.objects.filter(username="admin").update(email="ada@bank.example")
    notice = tell(world)
    admin = enter("admin")
    assert "An e-mail to you waits." in text_of(admin.get("/notices/"))
    notice.mails.update(status="uncertain", failure="worker_lost")
    assert "may have been sent" in text_of(admin.get("/notices/"))
