"""Enrolling and removing passkeys and one-time codes, and codes at signing."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pyotp
import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.conf import settings

from accounts.domain.one_time_codes import STEP_SECONDS
from accounts.domain.signature import SignatureMethod
from accounts.errors import (
    AnswerNotAllowed,
    CeremonyOver,
    CredentialRefused,
    NoSigningPowerYet,
    ProposalClosed,
    ReauthenticationFailed,
    SigningLocked,
)
from accounts.models import Credential, Proposal, User
from accounts.services.attempts import MAX_WRONG
from accounts.services.credentials import (
    begin_passkey,
    begin_totp,
    begun_totp_secret,
    enroll_passkey,
    enroll_totp,
    remove_credential,
)
from accounts.services.people import actor_of, reauthenticate
from accounts.services.proposals import answer_proposal
from audits.models import LogEntry
from audits.selectors import decoded_statement
from tests.authenticator import PRESENT, SoftKey
from tests.integration.accounts.conftest import NOW, PASSWORD, AddPerson
from tests.integration.registry.signing import at_once

STEP = timedelta(seconds=STEP_SECONDS)


@pytest.fixture
def rita(add: AddPerson) -> User:
    return add("rita")


def begun(person: User, session: str = "s", **changed: Any) -> dict[str, Any]:
    values = {"password": PASSWORD, "label": "Blue key", "now": NOW}
    return begin_passkey(person=person, session=session, **(values | changed))


def enrolled(person: User, answer: str, session: str = "s", **changed: Any) -> Credential:
    values = {"actor": actor_of(person), "now": NOW}
    return enroll_passkey(person=person, session=session, answer=answer, **(values | changed))


def soft_key(**said: Any) -> SoftKey:
    return SoftKey(**({"origin": settings.MUNIMENT_URL} | said))


def with_codes(person: User) -> pyotp.TOTP:
    """Enrol one-time codes, an hour before what the test is about."""
    begin_totp(person=person, password=PASSWORD, label="Phone", session="s", now=NOW)
    codes = pyotp.TOTP(begun_totp_secret(person=person, session="s", now=NOW))
    enroll_totp(person=person, session="s", code=codes.at(NOW), actor=actor_of(person), now=NOW)
    return codes


def test_the_log_says_whose_public_key_was_enrolled_and_names_nobody(rita: User) -> None:
    key = soft_key()
    credential = enrolled(rita, key.create(begun(rita)))
    entry = LogEntry.objects.get(event="credential.enrolled")
    statement = decoded_statement(entry)
    after = statement.predicate["after"]
    spki = base64.b64decode(after["public_key"])
    assert load_der_public_key(spki) == key.key.public_key()
    assert after["person"] == statement.predicate["actor"]["id"] == str(rita.pk)
    assert (after["kind"], after["rp_id"], after["algorithm"]) == ("passkey", "localhost", -7)
    assert statement.subjects[0].digest.hex == hashlib.sha256(spki).hexdigest()
    assert b"Blue" not in bytes(entry.envelope)
    assert b"Reyes" not in bytes(entry.envelope)
    remove_credential(
        person=rita,
        credential_id=credential.pk,
        password=PASSWORD,
        actor=actor_of(rita),
        now=NOW,
    )
    removed = decoded_statement(LogEntry.objects.get(event="credential.removed")).predicate
    assert (removed["before"]["public_key"], removed["after"]) == (after["public_key"], None)
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    "lie",
    [{"origin": "http://localhost:1"}, {"rp_id": "example.org"}, {"flags": PRESENT}],
    ids=str,
)
def test_a_passkey_that_was_made_elsewhere_or_by_nobody_is_not_enrolled(
    rita: User, lie: dict[str, Any]
) -> None:
    answer = soft_key(**lie).create(begun(rita))
    with pytest.raises(CredentialRefused):
        enrolled(rita, answer)
    assert not Credential.objects.exists()


@pytest.mark.parametrize("answer", ["", "{}", "[1]", '{"response": {}}', '{"response": 1}'])
def test_what_is_no_passkey_is_refused_in_words(rita: User, answer: str) -> None:
    begun(rita)
    with pytest.raises(CredentialRefused, match="no passkey that can be enrolled"):
        enrolled(rita, answer)


def test_an_answer_to_another_challenge_or_an_assertion_enrols_nothing(rita: User) -> None:
    key = soft_key()
    old = key.create(begun(rita))
    options = begun(rita)
    for answer in (old, key.create(options, type="webauthn.get"), key.get(options)):
        with pytest.raises(CredentialRefused):
            enrolled(rita, answer)


def test_it_is_enrolled_in_the_session_and_the_minutes_in_which_it_was_begun(
    add: AddPerson, rita: User
) -> None:
    answer = soft_key().create(begun(rita))
    remy = add("remy")
    for person, session, later in (
        (rita, "another", timedelta()),
        (rita, "", timedelta()),
        (remy, "s", timedelta()),
        (rita, "s", timedelta(minutes=5)),
    ):
        with pytest.raises(CeremonyOver):
            enrolled(person, answer, session, now=NOW + later)
    enrolled(rita, answer)
    with pytest.raises(CeremonyOver):
        enrolled(rita, answer)


def test_a_passkey_is_enrolled_once_and_for_one_person(add: AddPerson, rita: User) -> None:
    key, remy = soft_key(), add("remy")
    enrolled(rita, key.create(begun(rita)))
    options = begun(remy)
    assert options["publicKey"]["excludeCredentials"] in (None, [])
    with pytest.raises(CredentialRefused, match="enrolled already"):
        enrolled(remy, key.create(options))
    excluded = begun(rita)["publicKey"]["excludeCredentials"]
    assert len(excluded) == 1


def test_one_passkey_that_two_people_enrol_at_once_is_one_persons(
    add: AddPerson, rita: User
) -> None:
    key = soft_key()
    answers = {person: key.create(begun(person)) for person in (rita, add("remy"))}
    raised = at_once(*[partial(enrolled, *one) for one in answers.items()])
    (refusal,) = [error for error in raised if error]
    assert isinstance(refusal, CredentialRefused)
    assert "enrolled already" in str(refusal)
    assert Credential.objects.count() == 1


def test_nothing_is_begun_or_removed_without_the_password(add: AddPerson, rita: User) -> None:
    credential = enrolled(rita, soft_key().create(begun(rita)))
    with pytest.raises(ReauthenticationFailed):
        begun(rita, password="guess")
    with pytest.raises(ReauthenticationFailed):
        begin_totp(person=rita, password="guess", label="Phone", session="s", now=NOW)
    remy = add("remy")
    for person, password, refusal in (
        (rita, "guess", ReauthenticationFailed),
        (remy, PASSWORD, CredentialRefused),
    ):
        with pytest.raises(refusal):
            remove_credential(
                person=person,
                credential_id=credential.pk,
                password=password,
                actor=actor_of(person),
                now=NOW,
            )
    assert Credential.objects.count() == 1


def test_a_code_is_taken_once_and_a_step_early_or_late(rita: User) -> None:
    codes = with_codes(rita)

    def sign(code: str, at: timedelta) -> SignatureMethod:
        return reauthenticate(user=rita, password=PASSWORD, code=code, now=NOW + at)

    def code(at: timedelta) -> str:
        return codes.at(NOW + at)

    with pytest.raises(ReauthenticationFailed):
        sign(code(timedelta()), timedelta())  # it enrolled the device
    assert sign(code(3 * STEP), 2 * STEP) is SignatureMethod.TOTP
    with pytest.raises(ReauthenticationFailed):
        sign(code(3 * STEP), 3 * STEP)
    with pytest.raises(ReauthenticationFailed):
        sign(code(2 * STEP), 3 * STEP)  # older than the one that was used
    with pytest.raises(ReauthenticationFailed):
        sign(code(12 * STEP), 10 * STEP)
    with pytest.raises(ReauthenticationFailed):
        sign(code(8 * STEP), 10 * STEP)
    assert sign(f"{code(9 * STEP)[:3]} {code(9 * STEP)[3:]}", 10 * STEP) is SignatureMethod.TOTP


def test_the_secret_is_nowhere_in_the_log_and_encrypted_in_the_database(rita: User) -> None:
    secret = with_codes(rita).secret
    kept = bytes(Credential.objects.get().sealed_secret or b"")
    assert secret.encode() not in kept
    assert base64.b32decode(secret) not in base64.urlsafe_b64decode(kept)
    entry = LogEntry.objects.get(event="credential.enrolled")
    assert decoded_statement(entry).predicate["after"] == {"kind": "totp", "person": str(rita.pk)}
    assert secret.encode() not in bytes(entry.envelope)
    with pytest.raises(CeremonyOver):
        begun_totp_secret(person=rita, session="s", now=NOW)


def test_a_secret_outlives_a_new_secret_key_only_with_the_old_one_named(
    rita: User, settings: Any
) -> None:
    codes = with_codes(rita)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key, as long as it needs to be"
    with pytest.raises(CredentialRefused, match="SECRET_KEY was changed"):
        reauthenticate(user=rita, password=PASSWORD, code=codes.at(NOW), now=NOW)
    settings.SECRET_KEY_FALLBACKS = [old]
    later = NOW + 2 * STEP
    reauthenticate(user=rita, password=PASSWORD, code=codes.at(later), now=later)


def test_codes_cannot_be_guessed_by_whoever_has_the_password(rita: User) -> None:
    codes = with_codes(rita)
    wrong = "000000" if codes.at(NOW) != "000000" else "000001"
    for _ in range(MAX_WRONG):
        with pytest.raises(ReauthenticationFailed):
            reauthenticate(user=rita, password=PASSWORD, code=wrong, now=NOW)
        if _ < MAX_WRONG - 1:  # the password alone is right, and clears nothing of the codes
            reauthenticate(user=rita, password=PASSWORD, now=NOW)
    with pytest.raises(SigningLocked):
        reauthenticate(user=rita, password=PASSWORD, now=NOW)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "0" * 2000])
def test_what_is_no_code_enrols_nothing(rita: User, code: str) -> None:
    begin_totp(person=rita, password=PASSWORD, label="Phone", session="s", now=NOW)
    with pytest.raises(CredentialRefused):
        enroll_totp(person=rita, session="s", code=code, actor=actor_of(rita), now=NOW)


def test_a_code_of_somebody_without_a_device_is_wrong(rita: User) -> None:
    with pytest.raises(ReauthenticationFailed):
        reauthenticate(user=rita, password=PASSWORD, code="123456", now=NOW)


@pytest.mark.parametrize("label", ["", "   ", "x" * 61, "two\nlines"])
def test_a_credential_has_a_name(rita: User, label: str) -> None:
    with pytest.raises(CredentialRefused, match="name"):
        begun(rita, label=label)


def test_the_browser_is_asked_for_verification_and_three_kinds_of_key(rita: User) -> None:
    options = json.loads(json.dumps(begun(rita)))["publicKey"]
    assert options["rp"]["id"] == "localhost"
    assert [item["alg"] for item in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["authenticatorSelection"]["userVerification"] == "required"


def test_a_credential_signs_once_an_admin_confirmed_it_and_a_day_after(
    rita: User, add: AddPerson, settings: Any
) -> None:
    ada, abe = add("ada", roles=["admin"]), add("abe", roles=["admin"])
    codes = with_codes(rita)
    proposal = Proposal.objects.get(kind="credential.enroll")
    assert proposal.proposer == rita

    def sign(at: datetime) -> None:
        reauthenticate(user=rita, password=PASSWORD, code=codes.at(at), now=at)

    def answer(admin: User, verdict: str = "confirm") -> None:
        answer_proposal(
            proposal_id=proposal.pk,
            verdict=verdict,
            content_sha256=proposal.content_sha256,
            password=PASSWORD,
            actor=actor_of(admin),
            now=NOW,
        )

    with pytest.raises(ReauthenticationFailed):
        sign(NOW + STEP)
    with pytest.raises(AnswerNotAllowed, match="by an admin"):
        answer(rita)
    User.objects.filter(pk=rita.pk).update(roles=["admin", "reviewer"])
    rita.refresh_from_db()
    with pytest.raises(AnswerNotAllowed, match="You proposed"):
        answer(rita)
    answer(ada)
    confirmed = decoded_statement(LogEntry.objects.get(event="credential.confirmed")).predicate
    assert confirmed["detail"]["confirmed_by"] == str(ada.pk)
    with pytest.raises(ProposalClosed):
        answer(abe)
    settings.SIGNING_DELAY_HOURS = 24
    day = timedelta(hours=24)
    with pytest.raises((ReauthenticationFailed, NoSigningPowerYet)):
        sign(NOW + day - STEP)
    sign(NOW + day + STEP)
