"""Signing a review with a passkey, and every way to have signed something else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.errors import CeremonyOver, ReauthenticationFailed, SigningLocked
from accounts.models import Credential
from accounts.services.attempts import MAX_WRONG
from accounts.services.credentials import remove_credential
from accounts.services.people import actor_of
from audits.selectors import decoded_statement
from muniment.attest.passkey import challenge_of, require_assertion
from registry.errors import AlreadySigned, EvidenceChanged, ReviewNotAllowed, SignatureTooWeak
from registry.models import Approval, Decision, Promotion
from registry.services.signing import PasskeyAnswer
from tests.authenticator import PRESENT, SoftKey
from tests.integration.registry.signing import (
    ask_for,
    at_once,
    enrol,
    prepare,
    sign,
    sign_by_passkey,
)
from tests.integration.web.world import PASSWORD, V2_RACE, World, audit, lay_lineage


@pytest.fixture
def key() -> SoftKey:
    return SoftKey()


@pytest.fixture
def promotion(world: World, key: SoftKey) -> Promotion:
    """A promotion under a policy that asks for passkeys, of which the reviewer has one."""
    ask_for(world, "passkey")
    enrol(world, "reviewer", key)
    return world.request(2)


def answered(world: World, promotion: Promotion, answer: str, **changed: Any) -> Promotion:
    """Sign with what a browser posted."""
    given = PasskeyAnswer(session="reviewer", answer=answer)
    return sign(world, promotion, "reviewer", password="", passkey=given, **changed)


@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "RS256"])
def test_a_statement_in_the_log_holds_what_its_passkey_signed(world: World, kind: str) -> None:
    ask_for(world, "passkey")
    key = enrol(world, "reviewer", SoftKey(kind))
    promotion = sign_by_passkey(world, world.request(2), "reviewer", key)
    approval = Approval.objects.get()
    statement = decoded_statement(approval.entry)
    predicate = statement.predicate
    assert world.policy is not None
    assert (approval.signature, predicate["signature"]) == ("passkey", "passkey")
    assert predicate["policy_digest"] == world.policy.digest
    shown = Decision.objects.filter(promotion=promotion).order_by("entry_id")[0]
    assert predicate["decision_digest"] == f"sha256:{shown.entry.sha256}"
    require_assertion(
        predicate["passkey"],
        challenge=challenge_of(statement.subjects, statement.predicate_type, predicate),
        public_key=bytes(Credential.objects.get().public_key_spki or b""),
        rp_id="localhost",
    )
    decided = Decision.objects.latest("entry_id").content
    assert decided["approvals"]["signature"] == "passkey"
    assert decided["inputs"]["approvals"]["signed"][0]["signature"] == "passkey"
    assert decided["approvals"]["given"] == 1


def test_a_policy_that_asks_for_a_passkey_takes_nothing_less(
    world: World, promotion: Promotion
) -> None:
    with pytest.raises(SignatureTooWeak, match="by passkey"):
        sign(world, promotion, "reviewer")
    assert not Approval.objects.exists()


def test_nothing_is_prepared_for_somebody_without_a_passkey_or_with_a_wrong_password(
    world: World, promotion: Promotion
) -> None:
    with pytest.raises(ReviewNotAllowed, match="no passkey"):
        prepare(world, promotion, "reviewer2")
    with pytest.raises(ReauthenticationFailed):
        prepare(world, promotion, "reviewer", password="guess")


@pytest.mark.parametrize(
    "lie",
    [
        {"rp_id": "example.org"},
        {"origin": "http://localhost:1"},
        {"origin": "https://localhost.example.org"},
        {"flags": PRESENT},
        {"flags": 0},
    ],
    ids=str,
)
def test_an_assertion_of_elsewhere_or_of_nobody_signs_nothing(
    world: World, promotion: Promotion, key: SoftKey, lie: dict[str, Any]
) -> None:
    options = prepare(world, promotion, "reviewer")
    for name, value in lie.items():
        setattr(key, name, value)
    with pytest.raises(ReauthenticationFailed):
        answered(world, promotion, key.get(options))
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    "said",
    [{"type": "webauthn.create"}, {"challenge": "A" * 43}, {"crossOrigin": True}],
    ids=str,
)
def test_an_assertion_of_another_ceremony_signs_nothing(
    world: World, promotion: Promotion, key: SoftKey, said: dict[str, Any]
) -> None:
    options = prepare(world, promotion, "reviewer")
    with pytest.raises(ReauthenticationFailed):
        answered(world, promotion, key.get(options, **said))


@pytest.mark.parametrize("answer", ["", "{", "[]", "null", '{"rawId": 1}', "x" * 70_000])
def test_what_is_no_assertion_signs_nothing(
    world: World, promotion: Promotion, answer: str
) -> None:
    prepare(world, promotion, "reviewer")
    with pytest.raises(ReauthenticationFailed):
        answered(world, promotion, answer)


def test_another_key_of_the_same_name_signs_nothing(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    options = prepare(world, promotion, "reviewer")
    forged = SoftKey(credential_id=key.credential_id, origin=key.origin)
    with pytest.raises(ReauthenticationFailed):
        answered(world, promotion, forged.get(options))


def test_another_persons_passkey_signs_nothing(world: World, promotion: Promotion) -> None:
    theirs = enrol(world, "reviewer2", SoftKey())
    options = prepare(world, promotion, "reviewer")
    with pytest.raises(ReauthenticationFailed):
        answered(world, promotion, theirs.get(options))


def test_an_assertion_is_used_once_and_for_the_words_that_it_signed(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    answer = key.get(prepare(world, promotion, "reviewer"))
    with pytest.raises(EvidenceChanged, match="not what would be recorded"):
        answered(world, promotion, answer, verdict="refuse", reason="No.")
    with pytest.raises(EvidenceChanged, match="not what would be recorded"):
        answered(world, promotion, answer, meaning="I approve all there is.")
    assert not Approval.objects.exists()
    answered(world, promotion, answer)
    with pytest.raises(CeremonyOver):
        answered(world, promotion, answer)
    assert Approval.objects.count() == 1


def test_an_assertion_of_one_promotion_signs_no_other(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    lay_lineage(world, world.version(3))
    audit(world, world.version(3), V2_RACE)
    other = world.request(3)
    answer = key.get(prepare(world, promotion, "reviewer"))
    with pytest.raises(CeremonyOver):
        answered(world, other, answer)
    prepare(world, other, "reviewer")
    with pytest.raises(ReauthenticationFailed):
        answered(world, other, answer)


def test_it_is_signed_in_the_session_and_the_five_minutes_in_which_it_was_prepared(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    answer = key.get(prepare(world, promotion, "reviewer"))
    for session in ("", "another"):
        with pytest.raises(CeremonyOver):
            sign(
                world,
                promotion,
                "reviewer",
                password="",
                passkey=PasskeyAnswer(session=session, answer=answer),
            )
    with pytest.raises(CeremonyOver):
        answered(world, promotion, answer, now=world.tick(minutes=5))


def test_evidence_that_arrives_while_somebody_holds_the_key_is_not_signed(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    options = prepare(world, promotion, "reviewer")
    shown = world.evidence_digest(promotion)
    audit(world, promotion.version, {**V2_RACE, "Black": (99, 90, 65, 7)})
    for digest in (shown, world.evidence_digest(promotion)):
        with pytest.raises(EvidenceChanged):
            answered(world, promotion, key.get(options), evidence_digest=digest)
    assert not Approval.objects.exists()


def test_a_copy_of_the_key_shows_by_its_count(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    key.count = 7
    sign_by_passkey(world, promotion, "reviewer", key)
    assert Credential.objects.get().sign_count == 7
    audit(world, promotion.version, {**V2_RACE, "Black": (99, 90, 65, 7)})
    for count in (7, 0):
        key.count = count
        with pytest.raises(ReauthenticationFailed):
            sign_by_passkey(world, promotion, "reviewer", key)
    key.count = 8
    sign_by_passkey(world, promotion, "reviewer", key)


def test_a_passkey_that_was_removed_signs_nothing_more(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    answer = key.get(prepare(world, promotion, "reviewer"))
    person = world.people["reviewer"]
    remove_credential(
        person=person,
        credential_id=Credential.objects.get().pk,
        password=PASSWORD,
        actor=actor_of(person),
        now=world.tick(),
    )
    with pytest.raises(ReauthenticationFailed):
        answered(world, promotion, answer)


def test_wrong_passwords_and_wrong_passkeys_lock_together_and_one_forgives_no_other(
    world: World, promotion: Promotion
) -> None:
    for _ in range(MAX_WRONG - 1):
        # The right password, which is asked first, does not clear what the passkey failed.
        options = prepare(world, promotion, "reviewer")
        with pytest.raises(ReauthenticationFailed):
            answered(world, promotion, SoftKey().get(options))
    with pytest.raises(ReauthenticationFailed):
        prepare(world, promotion, "reviewer", password="guess")
    with pytest.raises(SigningLocked):
        prepare(world, promotion, "reviewer")
    prepare(world, promotion, "reviewer", now=world.tick(minutes=15))


def test_a_double_click_signs_once(world: World, promotion: Promotion, key: SoftKey) -> None:
    answer = key.get(prepare(world, promotion, "reviewer"))
    now = world.tick()
    raised = at_once(*[lambda: answered(world, promotion, answer, now=now)] * 2)
    assert [type(error) for error in raised if error] in ([CeremonyOver], [AlreadySigned])
    assert Approval.objects.count() == 1


def test_a_signature_bears_the_time_of_what_was_shown(
    world: World, promotion: Promotion, key: SoftKey
) -> None:
    options = prepare(world, promotion, "reviewer")
    prepared = world.now
    answered(world, promotion, key.get(options), now=prepared + timedelta(minutes=4))
    approval = Approval.objects.get()
    assert approval.signed_at == approval.entry.at == prepared
