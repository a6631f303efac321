"""People: adding them, and asking for their password again when they sign."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from accounts.errors import ReauthenticationFailed, SigningLocked
from accounts.models import SignatureAttempt, User
from audits.domain.actor import SETUP, Actor
from audits.domain.log import Event
from audits.services.log import append_statement, predicate_type
from muniment.attest.digest import Digest

MAX_WRONG_PASSWORDS = 5
LOCK_FOR = timedelta(minutes=15)


def actor_of(user: User) -> Actor:
    """Return the actor that a signed-in person is."""
    return Actor(
        kind="person",
        id=str(user.pk),
        roles=frozenset(user.roles),
        printed_name=user.printed_name,
    )


@transaction.atomic(durable=True)
def add_person(
    *,
    username: str,
    printed_name: str,
    password: str,
    roles: Iterable[str],
    email: str = "",
    actor: Actor,
    now: datetime,
) -> User:
    """Add a person with their roles; the log names them by their pseudonymous id.

    Args:
        email: where notices go; empty for none. It never enters the log.

    Raises:
        RoleRequired: the actor is no admin.
        ValidationError: a field is malformed, a role unknown, the username taken, or the password
            too weak.
    """
    if actor != SETUP:  # whoever runs commands on the server adds the first admin
        actor.require_role("add a person", "admin")
    user = User(
        username=username,
        printed_name=printed_name,
        email=email,
        roles=sorted(set(roles)),
        joined_at=now,
    )
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save(force_insert=True)
    append_statement(
        event=Event.PERSON_ADDED,
        predicate_type=predicate_type("registry-event"),
        subject_name=f"person:{user.pk}",
        subject_digest=Digest("sha256", hashlib.sha256(str(user.pk).encode()).hexdigest()),
        predicate={"before": None, "after": {"roles": user.roles}},
        stream=None,
        actor=actor,
        now=now,
    )
    return user


def reauthenticate(*, user: User, password: str, now: datetime) -> None:
    """Ask again who signs (21 CFR 11.200): pass only with the person's own password.

    Commits its own count of failures, so that a refusal cannot be rolled back with the signature:
    call it before the transaction of what is signed.

    Raises:
        SigningLocked: five wrong passwords within the last 15 minutes.
        ReauthenticationFailed: the password is wrong.
    """
    with transaction.atomic(durable=True):
        # One guess at a time: many at once would all be let through before any is counted.
        person = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        attempts = SignatureAttempt.objects.filter(user=person)
        is_locked = attempts.filter(at__gt=now - LOCK_FOR).count() >= MAX_WRONG_PASSWORDS
        is_right = not is_locked and person.is_active and person.check_password(password)
        if is_right:
            attempts.delete()
        elif not is_locked:
            SignatureAttempt.objects.create(user=person, at=now)
    if is_locked:
        raise SigningLocked(
            "Signing is locked after too many wrong passwords. Try again in 15 minutes."
        )
    if not is_right:
        raise ReauthenticationFailed(
            "The password is not right, so nothing was signed. Enter your own password again."
        )
