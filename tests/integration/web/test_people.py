"""The pages of people: what one admin changes there, and what is only proposed."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.test import Client

from accounts.models import Proposal, User
from tests.integration.web.forms import forms_of, post, send, text_of
from tests.integration.web.world import PASSWORD, World

Enter = Callable[[str], Client]


def test_an_admin_adds_a_person_who_signs_in_with_the_password_shown_once(ada: Client) -> None:
    answer = send(ada, "/people/", "/add", username="nina", printed_name="Nina North")
    shown = re.search(r'<code class="break">([^<]+)</code>', answer.content.decode())
    assert shown is not None
    nina = User.objects.get(username="nina")
    assert nina.check_password(shown[1])
    assert shown[1] not in ada.get("/people/").content.decode()
    again = send(ada, "/people/", "/add", username="nina", printed_name="Nina North")
    assert (again.status_code, "already exists" in text_of(again)) == (400, True)
    roles = post(ada, "/people/add", username="olga", printed_name="Olga", role="admin")
    assert "takes two admins" in text_of(roles)
    assert User.objects.get(username="olga").roles == []


def test_a_role_that_signs_is_proposed_and_any_other_given(ada: Client, world: World) -> None:
    page = f"/people/{world.people['engineer'].pk}/"
    address = f"{page}roles"
    assert post(ada, address, role="auditor").status_code == 302
    assert User.objects.get(username="engineer").roles == ["auditor"]
    wrong = post(ada, address, role="reviewer", password="guess")
    assert (wrong.status_code, "password is not right" in text_of(wrong)) == (403, True)
    assert not Proposal.objects.exists()
    answer = post(ada, address, role="reviewer", password=PASSWORD)
    assert answer["Location"] == f"/changes/{Proposal.objects.get().pk}/"
    assert User.objects.get(username="engineer").roles == ["auditor"]


def test_a_group_takes_two_admins_and_is_taken_away_by_one(
    ada: Client, world: World, enter: Enter
) -> None:
    rita = world.people["reviewer"]
    page = f"/people/{rita.pk}/"
    own = {"role": "reviewer", "password": PASSWORD}
    no_reviewer = post(ada, f"{page}roles", role="engineer", groups="fair-lending")
    assert (no_reviewer.status_code, "Only reviewers" in text_of(no_reviewer)) == (400, True)
    assert post(ada, f"{page}roles", groups="Fair!", **own).status_code == 400
    waits = post(ada, f"{page}roles", groups="model-risk, fair-lending", **own)["Location"]
    assert "the group fair-lending" in text_of(ada.get(waits))
    assert User.objects.get(pk=rita.pk).roles == ["reviewer"]
    confirmed = send(enter("admin2"), waits, "/answer", verdict="confirm", password=PASSWORD)
    assert confirmed.status_code == 302
    held = ["group:fair-lending", "group:model-risk", "reviewer"]
    assert User.objects.get(pk=rita.pk).roles == held
    assert 'value="fair-lending model-risk"' in ada.get(page).content.decode()
    assert "the group model-risk" in text_of(enter("auditor").get(page))
    assert post(ada, f"{page}roles", role="reviewer", groups="model-risk").status_code == 302
    assert User.objects.get(pk=rita.pk).roles == ["group:model-risk", "reviewer"]


def test_an_account_ends_at_once_and_the_last_admin_stays(
    ada: Client, world: World, enter: Enter
) -> None:
    gone = enter("admin2")
    assert send(ada, f"/people/{world.people['admin2'].pk}/", "/end").status_code == 302
    assert gone.get("/people/").status_code == 302
    assert "Account has ended" in text_of(ada.get("/people/"))
    last = send(ada, f"/people/{world.people['admin'].pk}/", "/end")
    assert (last.status_code, "only admin" in text_of(last)) == (409, True)


def test_others_read_who_there_is_and_change_nothing(
    ada: Client, world: World, enter: Enter
) -> None:
    page = f"/people/{world.people['engineer'].pk}/"
    for username in ("engineer", "reviewer", "auditor"):
        client = enter(username)
        for shown in ("/people/", page):
            assert forms_of(client.get(shown)) == {}
        for address in ("/people/add", f"{page}roles", f"{page}end"):
            assert post(client, address, username="m", role="admin").status_code == 403
    assert User.objects.get(username="engineer").roles == ["engineer"]
    assert User.objects.get(username="engineer").is_active
