"""Signing a review, alone or at the same moment as others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections

from accounts.models import Credential
from accounts.services.credentials import begin_passkey, enroll_passkey
from accounts.services.people import actor_of
from audits.models import LogEntry
from audits.selectors import decoded_statement
from muniment.attest.passkey import challenge_of, require_assertion
from registry.models import Promotion
from registry.services.approvals import sign_review
from registry.services.bindings import bind_policy
from registry.services.policies import publish_policy
from registry.services.signing import Means, PasskeyAnswer, Password, prepare_signature
from tests.authenticator import SoftKey
from tests.integration.web.world import PASSWORD, World


def sign(world: World, promotion: Promotion, who: str, **changed: Any) -> Promotion:
    """Sign as a reviewer does who has read the promotion as it is now, except what is changed.

    Among it `password`, `code` and `passkey`: what is signed with.
    """
    password, code = changed.pop("password", PASSWORD), changed.pop("code", "")
    passkey = changed.pop("passkey", None)
    values: dict[str, Any] = {
        "promotion_id": promotion.pk,
        "verdict": "approve",
        "reason": "",
        "meaning": "I approve.",
        "evidence_digest": world.evidence_digest(promotion),
        "means": passkey or Password(password, code),
        "actor": actor_of(world.people[who]),
        "now": world.tick(),
    }
    return sign_review(**(values | changed))


def at_once(*calls: Callable[[], object]) -> list[BaseException | None]:
    """Call each in a thread of its own, all at the same moment; return what each raised."""
    ready = threading.Barrier(len(calls))
    raised: list[BaseException | None] = [None] * len(calls)

    def run(place: int, call: Callable[[], object]) -> None:
        try:
            ready.wait(10)
            call()
        except Exception as error:  # noqa: BLE001 - the thread's edge: asserted on by the test
            raised[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return raised


def ask_for(world: World, method: str) -> None:
    """Publish the world's policy again, asking for signatures by that method, and bind it."""
    assert world.policy is not None
    before = bytes(world.policy.document).decode()
    document = before.replace("\nversion: 1\n", "\nversion: 2\n").replace(
        "\n  roles: [reviewer]\n", f"\n  roles: [reviewer]\n  signature: {method}\n"
    )
    admin = actor_of(world.people["admin"])
    world.policy = publish_policy(document=document.encode(), actor=admin, now=world.tick())
    bind_policy(
        registered_model=world.model(),
        policy=world.policy,
        risk_tier="high",
        actor=admin,
        now=world.tick(),
    )


def enrol(world: World, who: str, key: SoftKey) -> SoftKey:
    """Enrol a passkey of a person's, as the page does."""
    person = world.people[who]
    options = begin_passkey(
        person=person, password=PASSWORD, label="Blue key", session=who, now=world.tick()
    )
    key.origin = settings.MUNIMENT_URL
    answer = key.create(options)
    enroll_passkey(
        person=person, session=who, answer=answer, actor=actor_of(person), now=world.tick()
    )
    return key


def prepare(world: World, promotion: Promotion, who: str, **changed: Any) -> dict[str, Any]:
    """Prepare an approval for a passkey; the session is named after the person."""
    values: dict[str, Any] = {
        "promotion_id": promotion.pk,
        "verdict": "approve",
        "reason": "",
        "meaning": "I approve.",
        "evidence_digest": world.evidence_digest(promotion),
        "actor": actor_of(world.people[who]),
        "now": world.tick(),
    }
    password = changed.pop("password", PASSWORD)
    return prepare_signature(
        lambda means: sign_review(means=means, **(values | changed)),
        password=password,
        session=who,
    )


def sign_by_passkey(
    world: World, promotion: Promotion, who: str, key: SoftKey, **changed: Any
) -> Promotion:
    """Prepare and sign as a reviewer with a passkey does."""
    answer = key.get(prepare(world, promotion, who))
    values = {"password": "", "passkey": PasskeyAnswer(session=who, answer=answer)}
    return sign(world, promotion, who, **(values | changed))


def by_passkey(call: Callable[[Means], Any], who: str, key: SoftKey) -> Any:
    """Prepare and sign anything as a person with a passkey does."""
    answer = key.get(prepare_signature(call, password=PASSWORD, session=who))
    return call(PasskeyAnswer(session=who, answer=answer))


def require_own(entry: LogEntry, key: SoftKey) -> None:
    """Accept a statement that this very key signed, as it stands in the log."""
    statement = decoded_statement(entry)
    assert statement.predicate["signature"] == "passkey"
    credential = Credential.objects.get(credential_id=key.credential_id)
    require_assertion(
        statement.predicate["passkey"],
        challenge=challenge_of(statement.subjects, statement.predicate_type, statement.predicate),
        public_key=bytes(credential.public_key_spki or b""),
        rp_id="localhost",
    )
