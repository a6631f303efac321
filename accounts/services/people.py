"""People: adding them, and asking for their password again when they sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from accounts.domain.proposals import ROLE, roles_that_sign
from accounts.domain.signature import SignatureMethod
from accounts.models import User
from accounts.services.attempts import count_attempt
from accounts.services.one_time_codes import use_code
from accounts.services.person_facts import state_of_person
from accounts.services.signing_power import require_signing_power
from accounts.services.two_people import is_short_of_admins, require_two_people
from audits.domain.actor import SETUP, Actor
from audits.domain.log import Event


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

    The roles that sign are given so only while one person is enough, or by whoever runs commands
    on the server while too few admins are there to confirm anything.

    Args:
        email: where notices go; empty for none. It never enters the log.

    Raises:
        RoleRequired: the actor is no admin.
        SecondPersonNeeded: a role that signs needs another admin: add the person without, and
            propose it.
        ValidationError: a field is malformed, a role unknown, the username taken, or the password
            too weak.
    """
    if actor != SETUP:  # whoever runs commands on the server adds the first admin
        actor.require_role("add a person", ROLE)
    wanted = sorted(set(roles))
    alone: Mapping[str, Any] = {}
    if roles_that_sign(wanted):
        is_recovering = actor == SETUP and is_short_of_admins()
        alone = (
            {"bootstrap": True}
            if is_recovering
            else require_two_people("give the role reviewer or admin", None)
        )
    user = User(
        username=username,
        printed_name=printed_name,
        email=email,
        roles=wanted,
        joined_at=now,
        signing_changed_at=now,
        was_admin=ROLE in wanted,
    )
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save(force_insert=True)
    state_of_person(
        Event.PERSON_ADDED,
        user,
        {"before": None, "after": {"roles": user.roles}},
        alone,
        actor=actor,
        now=now,
    )
    return user


def reauthenticate(*, user: User, password: str, now: datetime, code: str = "") -> SignatureMethod:
    """Ask again who signs (21 CFR 11.200): pass only with the person's own password.

    Returns:
        What was shown.

    Raises:
        NoSigningPowerYet: a role or a credential was given to them too recently.
        As `require_password`, whose failures are counted.
    """
    require_signing_power(user, now)
    return require_password(user=user, password=password, code=code, now=now)


def require_password(
    *, user: User, password: str, now: datetime, code: str = ""
) -> SignatureMethod:
    """Pass only with the person's own password; what follows is no signature yet.

    Commits its own count of failures, so that a refusal cannot be rolled back with the signature:
    call it before the transaction of what is signed.

    Args:
        code: a one-time code of the person's device beside the password; empty for none.

    Returns:
        What was shown.

    Raises:
        SigningLocked: five failures of any kind within the last 15 minutes.
        ReauthenticationFailed: the password or the code is wrong, or the code was used before.
        CredentialRefused: the person's secret cannot be read any more.
    """

    def look(person: User) -> SignatureMethod | None:
        if not person.check_password(password):
            return SignatureMethod.PASSWORD
        if code and not use_code(person=person, code=code, now=now):
            return SignatureMethod.TOTP
        return None

    shown = SignatureMethod.TOTP if code else SignatureMethod.PASSWORD
    what = "The password or the code is not right" if code else "The password is not right"
    count_attempt(
        user=user,
        look=look,
        clears=(SignatureMethod.PASSWORD, shown),
        refusal=f"{what}, so nothing was signed. Enter your own{_again(code)} again.",
        now=now,
    )
    return shown


def _again(code: str) -> str:
    return " password and the next code" if code else " password"
