"""A lost password: two admins open the way, neither can walk it alone, and it is walked once."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import PasswordReset, Proposal, User
from accounts.services.signing_power import signing_power_from
from audits.domain.actor import SETUP
from audits.models import LogEntry
from audits.selectors import decoded_statement
from tests.integration.web.forms import post, send, text_of
from tests.integration.web.world import PASSWORD, World

Enter = Callable[[str], Client]
NEW = "seven unlikely herons dancing"
CODE = re.compile(r"[A-Z2-9]{5}(?:-[A-Z2-9]{5}){3}")


def page_of(world: World, username: str) -> str:
    return f"/people/{world.people[username].pk}/"


def codes_for(world: World, ada: Client, enter: Enter, username: str) -> tuple[str, str]:
    """Have two admins open the way for somebody; return what each was shown."""
    answer = send(ada, page_of(world, username), "/password", password=PASSWORD)
    (first,) = CODE.findall(text_of(answer))
    waits = f"/changes/{Proposal.objects.order_by('proposed_at').last().pk}/"  # type: ignore[union-attr]
    client = enter("admin2")
    send(client, waits, "/answer", verdict="confirm", password=PASSWORD)
    (second,) = CODE.findall(text_of(client.get(waits)))
    for again in (ada.get(page_of(world, username)), ada.get(waits), client.get(waits)):
        assert not CODE.search(text_of(again))
    return first, second


def choose(username: str, first: str, second: str, password: str = NEW) -> HttpResponse:
    form = {"username": username, "first": first, "second": second}
    page = "/new-password"
    return send(Client(), page, page, **form, password=password, again=password)


def test_two_codes_make_a_password_that_no_admin_saw(
    world: World, ada: Client, enter: Enter
) -> None:
    rita = enter("reviewer")
    first, second = codes_for(world, ada, enter, "reviewer")
    assert rita.get("/people/").status_code == 200  # until it is used, nothing has changed
    weak = choose("reviewer", first, second, "short")
    assert (weak.status_code, "can be used again" in text_of(weak)) == (400, True)
    done = choose("reviewer", first.lower().replace("-", " "), second)
    assert (done.status_code, done["Location"]) == (302, "/sign-in")
    assert rita.get("/people/").status_code == 302
    person = User.objects.get(username="reviewer")
    assert (person.check_password(NEW), person.check_password(PASSWORD)) == (True, False)
    begins = signing_power_from(person)
    assert begins is not None
    assert begins > timezone.now() - timedelta(minutes=1)
    assert choose("reviewer", first, second, "another password of theirs").status_code == 403
    opened, chosen = (
        decoded_statement(LogEntry.objects.get(event=event)).predicate
        for event in ("person.reset_opened", "person.password_set")
    )
    assert {"proposed_by", "confirmed_by"} < set(opened["detail"])
    assert chosen["actor"] == {"kind": "person", "id": str(person.pk)}
    for entry in LogEntry.objects.all():
        for secret in (first, second, NEW):
            assert secret.encode() not in bytes(entry.envelope)


def test_whoever_has_one_code_has_nothing(world: World, ada: Client, enter: Enter) -> None:
    first, second = codes_for(world, ada, enter, "reviewer")
    refusals = {
        text_of(choose(name, *codes))
        for name, *codes in (
            ("reviewer", first, first),
            ("reviewer", second, second),
            ("reviewer", second, first),
            ("reviewer", first, ""),
            ("engineer", first, second),
            ("nobody", first, second),
        )
    }
    assert len({said.replace("nobody", "").replace("engineer", "") for said in refusals}) == 1
    # Four were wrong; with the fifth the way is closed, whatever comes then.
    assert choose("reviewer", first, "AAAAA-AAAAA-AAAAA-AAAAA").status_code == 403
    assert choose("reviewer", first, second).status_code == 403
    assert User.objects.get(username="reviewer").check_password(PASSWORD)


@pytest.mark.parametrize("how", ["expired", "account ended", "opened again"])
def test_codes_end(world: World, ada: Client, enter: Enter, how: str) -> None:
    codes = codes_for(world, ada, enter, "reviewer")
    if how == "expired":
        PasswordReset.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "account ended":
        User.objects.filter(username="reviewer").update(is_active=False)
    else:
        newer = codes_for(world, ada, enter, "reviewer")
        assert choose("reviewer", codes[0], newer[1]).status_code == 403
    assert choose("reviewer", *codes).status_code == 403
    assert User.objects.get(username="reviewer").check_password(PASSWORD)


def test_nobody_resets_alone_or_without_being_admin(
    world: World, ada: Client, enter: Enter
) -> None:
    page = page_of(world, "reviewer")
    wrong = post(ada, f"{page}password", password="guess")
    assert (wrong.status_code, CODE.search(text_of(wrong))) == (403, None)
    for username in ("engineer", "reviewer", "auditor"):
        assert post(enter(username), f"{page}password", password=PASSWORD).status_code == 403
    assert not Proposal.objects.exists()
    send(ada, page, "/password", password=PASSWORD)
    waits = f"/changes/{Proposal.objects.get().pk}/"
    content = Proposal.objects.get().content_sha256
    own = post(ada, f"{waits}answer", verdict="confirm", password=PASSWORD, content=content)
    assert own.status_code == 403
    assert not PasswordReset.objects.exists()


def test_a_password_set_on_the_server_is_in_the_log_and_signs_nothing_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(username: str, password: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        call_command("changepassword", username, stdout=io.StringIO())

    before = timezone.now()
    run("reviewer", NEW)
    person = User.objects.get(username="reviewer")
    assert person.check_password(NEW)
    assert person.signing_changed_at is not None
    assert person.signing_changed_at >= before
    entry = LogEntry.objects.get(event="person.password_set")
    assert decoded_statement(entry).predicate["actor"] == SETUP.to_mapping()
    for username, password in (("reviewer", "short"), ("nobody", NEW)):
        with pytest.raises(CommandError):
            run(username, password)
    assert LogEntry.objects.filter(event="person.password_set").count() == 1
