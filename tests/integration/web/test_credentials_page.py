"""The page of credentials, and signing with them, over HTTP as a browser does it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pyotp
from django.conf import settings
from django.test import Client

from accounts.models import Ceremony, Credential
from registry.models import Approval, Promotion
from tests.authenticator import SoftKey
from tests.integration.registry.signing import ask_for
from tests.integration.web.forms import text_of
from tests.integration.web.world import PASSWORD, World

Enter = Callable[[str], Client]


def token(client: Client) -> str:
    return str(client.cookies[settings.CSRF_COOKIE_NAME].value)


def send(client: Client, address: str, **fields: str):  # type: ignore[no-untyped-def]
    return client.post(address, {"csrfmiddlewaretoken": token(client), **fields})


def with_passkey(client: Client) -> SoftKey:
    key = SoftKey(origin=settings.MUNIMENT_URL)
    asked = send(
        client, "/credentials/passkeys/prepare", label="Blue <key>", password=PASSWORD
    ).json()
    answer = send(client, "/credentials/passkeys", answer=key.create(asked))
    assert answer.status_code == 302
    return key


def review(world: World, promotion: Promotion) -> dict[str, str]:
    return {
        "verdict": "approve",
        "reason": "Read twice.\r\nAll of it.",
        "meaning": "",
        "evidence_digest": world.evidence_digest(promotion),
    }


def test_somebody_enrols_signs_and_removes_a_passkey(world: World, enter: Enter) -> None:
    ask_for(world, "passkey")
    promotion = world.request(2)
    client, page = enter("reviewer"), f"/promotions/{promotion.pk}/"
    assert "Nothing is enrolled" in text_of(client.get("/credentials/"))
    assert "you have enrolled none" in text_of(client.get(page))
    key = with_passkey(client)
    listed = client.get("/credentials/").content.decode()
    assert "Blue &lt;key&gt;" in listed
    shown = client.get(page).content.decode()
    assert "Sign with your passkey" in shown
    assert "Sign as" not in shown
    form = review(world, promotion)
    refused = send(client, f"{page}review", **form, password=PASSWORD)
    assert (refused.status_code, Approval.objects.count()) == (403, 0)
    assert "by passkey" in text_of(refused)
    asked = send(client, f"{page}review", **form, password=PASSWORD, prepare="1").json()
    signed = send(client, f"{page}review", **form, answer=key.get(asked))
    assert signed.status_code == 302
    assert Approval.objects.get().signature == "passkey"
    credential = Credential.objects.get()
    removal = f"/credentials/{credential.pk}/remove"
    assert send(client, removal, password="guess").status_code == 403
    assert send(client, removal, password=PASSWORD).status_code == 302
    assert not Credential.objects.exists()


def test_a_wrong_password_or_word_prepares_nothing_and_is_said_as_json(
    world: World, enter: Enter
) -> None:
    promotion = world.request(2)
    client = enter("reviewer")
    with_passkey(client)
    Ceremony.objects.all().delete()
    form = review(world, promotion)
    for changed, status, words in (
        ({"password": "guess"}, 403, "password is not right"),
        ({"password": PASSWORD, "verdict": ""}, 400, "Choose whether"),
        ({"password": PASSWORD, "evidence_digest": "0" * 64}, 409, "evidence has changed"),
    ):
        answer = send(
            client, f"/promotions/{promotion.pk}/review", prepare="1", **{**form, **changed}
        )
        assert answer.status_code == status
        assert words in answer.json()["detail"]
    assert not Ceremony.objects.exists()


def test_one_time_codes_are_enrolled_from_a_picture_and_sign_once(
    world: World, enter: Enter
) -> None:
    ask_for(world, "totp")
    promotion = world.request(2)
    client, page = enter("reviewer"), f"/promotions/{promotion.pk}/"
    begun = send(client, "/credentials/codes", label="Phone", password=PASSWORD)
    assert begun["Location"] == "/credentials/codes/confirm"
    shown = client.get(begun["Location"])
    assert "no-store" in shown["Cache-Control"]
    html = shown.content.decode()
    assert "<svg" in html
    assert "style=" not in html
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', html)
    assert found is not None
    codes = pyotp.TOTP(found[1].replace(" ", ""))
    wrong = send(client, begun["Location"], code="000000" if codes.now() != "000000" else "1")
    assert (wrong.status_code, Credential.objects.count()) == (400, 0)
    assert found[1] in wrong.content.decode()
    first = codes.now()
    assert send(client, begun["Location"], code=first)["Location"] == "/credentials/"
    assert client.get(begun["Location"]).status_code == 302
    form = review(world, promotion)
    assert "One-time code" in text_of(client.get(page))
    for code in ("", first):
        refused = send(client, f"{page}review", **form, password=PASSWORD, code=code)
        assert (refused.status_code, Approval.objects.count()) == (403, 0)
    device = Credential.objects.get()
    assert device.last_counter is not None
    following = codes.generate_otp(device.last_counter + 1)
    signed = send(client, f"{page}review", **form, password=PASSWORD, code=following)
    assert (signed.status_code, Approval.objects.get().signature) == (302, "totp")


def test_nothing_is_enrolled_prepared_or_removed_from_another_site(
    world: World, enter: Enter
) -> None:
    promotion = world.request(2)
    client = enter("reviewer")
    with_passkey(client)
    for address in (
        "/credentials/passkeys/prepare",
        "/credentials/passkeys",
        "/credentials/codes",
        f"/credentials/{Credential.objects.get().pk}/remove",
        f"/promotions/{promotion.pk}/review",
        f"/promotions/{promotion.pk}/review",
    ):
        answer = client.post(address, {"password": PASSWORD, "label": "x"})
        assert answer.status_code == 403
    assert Credential.objects.count() == 1


def test_a_passkey_of_one_session_is_not_used_in_another(world: World, enter: Enter) -> None:
    promotion = world.request(2)
    client, other = enter("reviewer"), enter("reviewer")
    key = with_passkey(client)
    page, form = f"/promotions/{promotion.pk}/", review(world, promotion)
    asked = send(client, f"{page}review", **form, password=PASSWORD, prepare="1").json()
    answer = key.get(asked)
    for body in (answer, json.dumps({"id": 1})):
        refused = send(other, f"{page}review", **form, answer=body)
        assert (refused.status_code, Approval.objects.count()) == (409, 0)
